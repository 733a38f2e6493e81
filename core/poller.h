/* Readiness of file descriptors: one epoll set for the process.
 *
 * A worker with nothing to run waits here; busy workers look in now and then. Events are edge-triggered and go to the
 * handler of their kind together with an id that the handler's room understands (an index with a generation, so that
 * an event for something already closed is recognised and dropped). Handlers run on whichever thread polled, outside
 * any service's slice, and only signal: they push events to the owner's mailbox and return.
 */
#ifndef REEF_POLLER_H
#define REEF_POLLER_H

#include <stdbool.h>
#include <stdint.h>

enum reef_poll_kind {
	REEF_POLL_WAKEUP, /* the poller's own */
	REEF_POLL_SOCKET,
	REEF_POLL_FD,    /* descriptors of libraries (socket/fd.h) */
	REEF_POLL_OTHER, /* whoever registers first: inotify, tests */
	REEF_POLL_KINDS
};

/* `events`: EPOLLIN, EPOLLOUT, EPOLLRDHUP, EPOLLHUP, EPOLLERR as epoll_wait(2) reports them. */
typedef void (*reef_poll_handler)(uint32_t id, uint32_t events);

/* Start-up only. */
void reef_poller_set_handler(enum reef_poll_kind kind, reef_poll_handler handler);

/* Watches fd, edge-triggered, for `events` (EPOLLET is added). Any thread. 0, or an errno. */
int reef_poller_add(int fd, enum reef_poll_kind kind, uint32_t id, uint32_t events);
int reef_poller_modify(int fd, enum reef_poll_kind kind, uint32_t id, uint32_t events);
/* Closing the fd does this too, unless it was duplicated. */
void reef_poller_remove(int fd);

/* Something has happened: what the handler of that kind is told. For who simulates descriptors. */
void reef_poller_tell(enum reef_poll_kind kind, uint32_t id, uint32_t events);

/* ---- for workers ---- */

/* What else there is to wait for. Any thread inside the engine calls them. */
struct reef_poller_work {
	/* Does what is due at that time (reef_now_ns scale); how many things that were. One thread at a time. */
	int (*expire)(uint64_t now_ns);
	/* When there will next be something due; UINT64_MAX: never. */
	uint64_t (*next)(void);
	/* Is there something else to do than to wait? */
	bool (*has_work)(void);
};

/* Before the first thread, and after the last. */
void reef_poller_init(const struct reef_poller_work *work);
void reef_poller_fini(void);

enum reef_poll_mode { REEF_POLL_LOOK, REEF_POLL_BLOCK };
/* Does what is due and handles ready descriptors; REEF_POLL_BLOCK waits for the first of either unless there is work.
 * For threads inside the engine that hold no looked-up pointer. Returns how many things happened, or -1 if another
 * thread is polling. */
int reef_poller_poll(enum reef_poll_mode mode);
/* Is a thread waiting in the poller, and until when (reef_now_ns scale; UINT64_MAX: for ever)? 0: nobody waits. */
uint64_t reef_poller_blocked_until(void);
bool reef_poller_is_held(void);
/* Ends the waiting. Any thread. */
void reef_poller_kick(void);

#endif
