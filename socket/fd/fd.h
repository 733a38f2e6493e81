/* Descriptors that belong to others: C libraries that open, use and close non-blocking sockets of their own (c-ares,
 * libpq, libmariadb, libcurl) and ask to be told when one is readable or writable.
 *
 * Each interest is for one time, and given anew for each wait with what is wanted then: nothing is remembered about a
 * number in between, so a library may close its descriptor and get another one under the same number without telling
 * anybody. What is ready already when the interest is given is told, too. Nothing here ever closes a descriptor, takes
 * it out of the poller's set, or reads from it.
 *
 * Who knows more may keep a number's registration from one interest to the next, which saves a system call for each: a keeper
 * reads until there is nothing more before he waits, and lets go of the number before it is closed.
 *
 * A number can have one interest at a time. A new one takes the place of the old one, whose holder is told at once that
 * it is lost: its descriptor has been closed, or two wait for the same. Do not give a descriptor here that is also a
 * socket of Reef (reef_socket_bind_fd).
 *
 * These are interests of the process, for any thread inside the engine; fd_wait.h has waits of services.
 */
#ifndef REEF_SOCKET_FD_FD_H
#define REEF_SOCKET_FD_FD_H

#include <stdbool.h>
#include <stdint.h>

enum {
	REEF_FD_READ = 1, /* also the peer's end, and errors: reading tells which */
	REEF_FD_WRITE = 2,
};

/* `fd` is ready for these events; 0: the interest is lost. On whichever thread polls, or on the one that took the place;
 * no lock is held. */
typedef void (*reef_fd_ready)(uint64_t ud, int fd, int events);

/* 0 or an errno. EPERM: a regular file, which is always ready. The same `ready` and `ud` again: changed wishes, nobody
 * is told. `keeper`, an address of the caller's: only what has become ready since his last interest with the same events is
 * told; NULL: what is ready is. `ready` may be called from within. */
int reef_fd_watch(int fd, int events, reef_fd_ready ready, uint64_t ud, const void *keeper);
/* The number is not his any more, if it has been. */
void reef_fd_let_go(int fd, const void *keeper);
/* True: `ready` is not called for that interest any more. False: it has been, is being, or was never given. */
bool reef_fd_unwatch(int fd, reef_fd_ready ready, uint64_t ud);

/* Start-up only. */
void reef_fd_setup(void);

#endif
