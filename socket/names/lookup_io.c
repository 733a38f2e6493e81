/* The sockets that c-ares uses: non-blocking and closed on exec from the first moment, and deaf to datagrams that are no
 * replies (the QR bit, RFC 1035, 4.1.1), which c-ares 1.18 takes for empty answers. */
#include <ares.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "lookup_io.h"

#define FLAGS_AT 2 /* byte of a message; its highest bit is QR */

static ares_socket_t open_socket(int family, int type, int protocol, void *ud) {
	(void)ud;
	return socket(family, type | SOCK_NONBLOCK | SOCK_CLOEXEC, protocol);
}

static int close_socket(ares_socket_t fd, void *ud) {
	(void)ud;
	return close(fd);
}

static int connect_socket(ares_socket_t fd, const struct sockaddr *address, ares_socklen_t size, void *ud) {
	(void)ud;
	return connect(fd, address, size);
}

/* c-ares wants an address with datagrams only. */
static ares_ssize_t receive_reply(ares_socket_t fd, void *bytes, size_t n, int flags, struct sockaddr *address,
								  ares_socklen_t *size, void *ud) {
	(void)ud;
	for (;;) {
		ares_ssize_t got = recvfrom(fd, bytes, n, flags, address, size);
		if (got < 0 || address == NULL || (got > FLAGS_AT && ((const unsigned char *)bytes)[FLAGS_AT] & 0x80))
			return got;
	}
}

static ares_ssize_t send_all(ares_socket_t fd, const struct iovec *parts, int n, void *ud) {
	(void)ud;
	const struct msghdr message = {.msg_iov = (struct iovec *)(uintptr_t)parts, .msg_iovlen = (size_t)n};
	return sendmsg(fd, &message, MSG_NOSIGNAL);
}

void reef_lookup_io_install(ares_channel channel) {
	static const struct ares_socket_functions functions = {
			.asocket = open_socket,
			.aclose = close_socket,
			.aconnect = connect_socket,
			.arecvfrom = receive_reply,
			.asendv = send_all,
	};
	ares_set_socket_functions(channel, &functions, NULL);
}
