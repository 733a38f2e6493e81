/* Waits for descriptors that belong to others (fd.h): an interest that ends in a call in the service's slice, or at its
 * deadline. Own slice only. */
#ifndef REEF_SOCKET_FD_FD_WAIT_H
#define REEF_SOCKET_FD_FD_WAIT_H

#include <stdint.h>

#include "fd.h"

struct reef_host;
struct reef_fd_wait_job;

/* Who waits: one for each connection, used again for each of its waits. All zero but `done` and `host` at first. */
struct reef_fd_waiter {
	/* The wait is over; called in the owner's slice, never from within reef_fd_wait. `result`: the REEF_FD_ bits of what
	 * is ready; 0: the deadline has passed; -ECANCELED: the interest is lost (see above). It may wait again at once, or
	 * free the waiter after reef_fd_wait_end. */
	void (*done)(struct reef_fd_waiter *waiter, int result);
	struct reef_host *host; /* of the service */
	struct reef_fd_wait_job *job, *spare;
	int kept; /* one more than the descriptor of reef_fd_wait_more; 0: none */
	uint64_t deadline_ns, timer_ns;
	int32_t timer;
};

/* Waits until `fd` is ready for one of `events` (REEF_FD_ bits), by `deadline_ns` at the latest (reef_now_ns). 0: `done`
 * will be called. Else an errno, and it will not: EBADF, ENOMEM and the like; EBUSY: this waiter waits already. */
int reef_fd_wait(struct reef_fd_waiter *waiter, int fd, int events, uint64_t deadline_ns);
/* The same, until there is more to be read: for who has just read until there was nothing (EAGAIN, which a library's calls do
 * that say "wait until it can be read"), or has read nothing since he asked for something that is still to come. Cheaper. The
 * waiter has one descriptor then until reef_fd_wait_end. */
int reef_fd_wait_more(struct reef_fd_waiter *waiter, int fd, uint64_t deadline_ns);
/* `done` is not called any more, and the waiter's memory may go. To be called before the library closes the descriptor,
 * also when nothing is waited for; twice is harmless. */
void reef_fd_wait_end(struct reef_fd_waiter *waiter);

#endif
