/* Readiness of file descriptors: one epoll set for the process.
 *
 * A worker with nothing to run waits here; busy workers look in now and then. Events are edge-triggered and go to the
 * handler of their kind together with an id that the handler's room understands (an index with a generation, so that
 * an event for something already closed is recognised and dropped). Handlers run on whichever thread polled, outside
 * any service's slice, and only signal: they push events to the owner's mailbox and return.
 */
#ifndef REEF_POLLER_H
#define REEF_POLLER_H

#include <stdint.h>

enum reef_poll_kind {
	REEF_POLL_WAKEUP, /* the poller's own */
	REEF_POLL_SIGNAL,
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

#endif
