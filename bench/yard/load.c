/* Loads an echo server: `yard_load NAME PORT PID CONNECTIONS SIZE WINDOW SECONDS`. Every connection keeps WINDOW messages
 * of SIZE bytes on their way. Reports the server's CPU (of process PID) and the wall time for each message. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

int main(int argc, char **argv) {
	if (argc != 8)
		return 2;
	unsigned n = (unsigned)atoi(argv[4]);
	size_t size = (size_t)atol(argv[5]), window = (size_t)atol(argv[6]);
	double duration = atof(argv[7]);
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)atoi(argv[2]))};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	clockid_t server;
	clock_getcpuclockid(atoi(argv[3]), &server);
	size_t *partial = calloc(n, sizeof *partial);
	int *fds = calloc(n, sizeof *fds), set = epoll_create1(0), one = 1;
	char *message = malloc(size * window), *buffer = malloc(size * window);
	memset(message, 'x', size * window);
	for (unsigned i = 0; i < n; i++) {
		fds[i] = socket(AF_INET, SOCK_STREAM, 0);
		if (connect(fds[i], (struct sockaddr *)&a, sizeof a) != 0) {
			perror("connect");
			return 1;
		}
		setsockopt(fds[i], IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
		epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &(struct epoll_event){.events = EPOLLIN, .data.u32 = i});
		if (write(fds[i], message, size * window) < 0)
			return 1;
	}
	size_t done = 0;
	double wall = seconds(CLOCK_MONOTONIC) + 0.3, cpu = -1, now;
	while ((now = seconds(CLOCK_MONOTONIC)) < wall + duration || cpu < 0) {
		if (cpu < 0 && now >= wall) {
			done = 0;
			wall = now;
			cpu = seconds(server);
		}
		struct epoll_event events[256];
		int ready = epoll_wait(set, events, 256, 100);
		for (int k = 0; k < ready; k++) {
			unsigned i = events[k].data.u32;
			ssize_t got = read(fds[i], buffer, size * window);
			if (got <= 0) {
				fprintf(stderr, "the server has closed a connection\n");
				return 1;
			}
			size_t whole = (partial[i] + (size_t)got) / size;
			partial[i] = (partial[i] + (size_t)got) % size;
			done += whole;
			if (whole && write(fds[i], message, whole * size) < 0)
				return 1;
		}
	}
	printf("RESULT %s cpu=%.9g wall=%.9g\n", argv[1], (seconds(server) - cpu) / (double)done * 1e6,
		   (now - wall) / (double)done * 1e6);
	return 0;
}
