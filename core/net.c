/* See net.h: the kernel's. */
#include "net.h"

#include <poll.h>
#include <unistd.h>

static int kernel_ready(int fd, int events) {
	struct pollfd state = {.fd = fd, .events = (short)events};
	return poll(&state, 1, 0) > 0 ? state.revents : 0;
}

static int kernel_connect(int fd, const struct sockaddr *address, socklen_t size) {
	return connect(fd, address, size);
}

static int kernel_accept(int fd, struct sockaddr *address, socklen_t *size, int flags) {
	return accept4(fd, address, size, flags);
}

static int kernel_bind(int fd, const struct sockaddr *address, socklen_t size) {
	return bind(fd, address, size);
}

static int kernel_name(int fd, struct sockaddr *address, socklen_t *size) {
	return getsockname(fd, address, size);
}

static int kernel_peer(int fd, struct sockaddr *address, socklen_t *size) {
	return getpeername(fd, address, size);
}

static const struct reef_net kernel = {
		.socket = socket,
		.bind = kernel_bind,
		.listen = listen,
		.connect = kernel_connect,
		.accept = kernel_accept,
		.close = close,
		.recv = recv,
		.send = send,
		.sendmsg = sendmsg,
		.set = setsockopt,
		.get = getsockopt,
		.name = kernel_name,
		.peer = kernel_peer,
		.ready = kernel_ready,
};

const struct reef_net *reef_net = &kernel;

void reef_net_set(const struct reef_net *net) {
	reef_net = net;
}
