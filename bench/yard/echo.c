/* The least an echo server can do: epoll, read, write. Prints `PORT N` and serves until it is killed. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

int main(void) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t size = sizeof a;
	int listener = socket(AF_INET, SOCK_STREAM, 0), set = epoll_create1(0), one = 1;
	if (bind(listener, (struct sockaddr *)&a, size) != 0 || listen(listener, 1024) != 0 ||
		getsockname(listener, (struct sockaddr *)&a, &size) != 0)
		return 1;
	epoll_ctl(set, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN, .data.fd = listener});
	printf("PORT %d\n", ntohs(a.sin_port));
	fflush(stdout);
	for (;;) {
		struct epoll_event events[64];
		static char buffer[65536];
		int n = epoll_wait(set, events, 64, -1);
		for (int i = 0; i < n; i++) {
			int fd = events[i].data.fd;
			if (fd == listener) {
				fd = accept(listener, NULL, NULL);
				setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
				epoll_ctl(set, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.fd = fd});
				continue;
			}
			ssize_t got = read(fd, buffer, sizeof buffer);
			if (got <= 0 || write(fd, buffer, (size_t)got) != got)
				close(fd);
		}
	}
}
