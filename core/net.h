/* What the rooms that work with sockets ask of the system: the kernel's calls, or those of a simulation that stand in for
 * them (sim.h). Any thread. */
#ifndef REEF_NET_H
#define REEF_NET_H

#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

#include "poller.h"

/* Results and errno as those of the calls of that name; descriptors are such of `socket` and `accept`. */
struct reef_net {
	int (*socket)(int family, int type, int protocol);
	int (*bind)(int fd, const struct sockaddr *address, socklen_t size);
	int (*listen)(int fd, int backlog);
	int (*connect)(int fd, const struct sockaddr *address, socklen_t size);
	int (*accept)(int fd, struct sockaddr *address, socklen_t *size, int flags);
	int (*close)(int fd);
	ssize_t (*recv)(int fd, void *buffer, size_t size, int flags);
	ssize_t (*send)(int fd, const void *bytes, size_t size, int flags);
	ssize_t (*sendmsg)(int fd, const struct msghdr *message, int flags);
	int (*set)(int fd, int level, int option, const void *value, socklen_t size);
	int (*get)(int fd, int level, int option, void *value, socklen_t *size);
	int (*name)(int fd, struct sockaddr *address, socklen_t *size);
	int (*peer)(int fd, struct sockaddr *address, socklen_t *size);
	/* The events of poll(2) that are there now. */
	int (*ready)(int fd, int events);

	/* Only of a simulation. Readiness as of reef_poller_add; 0 or an errno. */
	int (*watch)(int fd, enum reef_poll_kind kind, uint32_t id, uint32_t events);
	/* The IPv4 address that a name stands for, in host order. */
	uint32_t (*resolve)(const char *name);
};

extern const struct reef_net *reef_net;
/* Start-up only. */
void reef_net_set(const struct reef_net *net);

#endif
