/* Descriptors that belong to others: C libraries that open, use and close non-blocking sockets of their own (c-ares,
 * libpq, libmariadb, libcurl) and ask to be told when one is readable or writable.
 *
 * Each interest is for one time, and given anew for each wait with what is wanted then: nothing is remembered about a
 * number in between, so a library may close its descriptor and get another one under the same number without telling
 * anybody. What is ready already when the interest is given is told, too. Nothing here ever closes a descriptor, takes
 * it out of the poller's set, or reads from it.
 *
 * A number can have one interest at a time. A new one takes the place of the old one, whose holder is told at once that
 * it is lost: its descriptor has been closed, or two wait for the same. Do not give a descriptor here that is also a
 * socket of Reef (reef_socket_bind_fd).
 */
#ifndef REEF_SOCKET_FD_H
#define REEF_SOCKET_FD_H

#include <stdbool.h>
#include <stdint.h>

enum {
	REEF_FD_READ = 1, /* also the peer's end, and errors: reading tells which */
	REEF_FD_WRITE = 2,
};

/* ---- waits of a service: own slice only ---- */

struct reef_host;
struct reef_fd_job;

/* Who waits: one for each connection, used again for each of its waits. All zero but `done` and `host` at first. */
struct reef_fd_waiter {
	/* The wait is over; called in the owner's slice, never from within reef_fd_wait. `result`: the REEF_FD_ bits of what
	 * is ready; 0: the deadline has passed; -ECANCELED: the interest is lost (see above). It may wait again at once, or
	 * free the waiter after reef_fd_end. */
	void (*done)(struct reef_fd_waiter *waiter, int result);
	struct reef_host *host; /* of the service */
	struct reef_fd_job *job;
	uint64_t deadline_ns, timer_ns;
	int32_t timer;
};

/* Waits until `fd` is ready for one of `events` (REEF_FD_ bits), by `deadline_ns` at the latest (reef_now_ns). 0: `done`
 * will be called. Else an errno, and it will not: EBADF, ENOMEM and the like; EBUSY: this waiter waits already. */
int reef_fd_wait(struct reef_fd_waiter *waiter, int fd, int events, uint64_t deadline_ns);
/* `done` is not called any more for what is waited for now. To be called before the library closes the descriptor. */
void reef_fd_cancel(struct reef_fd_waiter *waiter);
/* The same, and the waiter's memory may go. Needed also when nothing is waited for; twice is harmless. */
void reef_fd_end(struct reef_fd_waiter *waiter);

/* ---- interests of the process: any thread inside the engine ---- */

/* `fd` is ready for these events; 0: the interest is lost. On whichever thread polls, or on the one that took the place;
 * no lock is held. */
typedef void (*reef_fd_ready)(uint64_t ud, int fd, int events);

/* 0 or an errno. EPERM: a regular file, which is always ready. The same `ready` and `ud` again: changed wishes, nobody
 * is told. */
int reef_fd_watch(int fd, int events, reef_fd_ready ready, uint64_t ud);
/* True: `ready` is not called for that interest any more. False: it has been, is being, or was never given. */
bool reef_fd_unwatch(int fd, reef_fd_ready ready, uint64_t ud);

/* Start-up only. */
void reef_fd_setup(void);

#endif
