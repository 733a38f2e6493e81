/* Loads a server: `yard_load NAME PORT PID CONNECTIONS SIZE WINDOW SECONDS [http|websocket]`. Every connection keeps WINDOW
 * messages on their way: of SIZE bytes, which come back, and the first two of which are the length of the others; or requests `GET /`, whose answers are all as long as the first one;
 * or WebSocket messages of SIZE bytes. Reports the server's CPU (of process PID) and the wall time for each message. */
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

/* What is sent again and again, and how long what comes back is. */
struct traffic {
	const char *greeting; /* sent once; NULL: none */
	char *message;
	size_t size, reply;
};

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void fail(const char *why) {
	fprintf(stderr, "load: %s\n", why);
	exit(1);
}

static int connected(uint16_t port) {
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(port)};
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	int fd = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	if (connect(fd, (struct sockaddr *)&a, sizeof a) != 0)
		fail("cannot connect");
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
	return fd;
}

/* Sends a request and reads its answer; returns the answer's size. */
static size_t exchange(int fd, const char *request) {
	static char text[65536];
	size_t size = 0, whole = 0;
	if (write(fd, request, strlen(request)) < 0)
		fail("cannot write");
	while (whole == 0 || size < whole) {
		ssize_t got = read(fd, text + size, sizeof text - 1 - size);
		if (got <= 0)
			fail("the server has closed a connection");
		size += (size_t)got;
		text[size] = 0;
		const char *end = strstr(text, "\r\n\r\n");
		const char *length = strcasestr(text, "content-length:");
		if (end)
			whole = (size_t)(end - text) + 4 + (length ? strtoul(length + 15, NULL, 10) : 0);
	}
	return whole;
}

static struct traffic http(uint16_t port) {
	static char request[] = "GET / HTTP/1.1\r\nHost: localhost\r\nUser-Agent: load\r\nAccept: */*\r\n\r\n";
	int fd = connected(port);
	struct traffic t = {.message = request, .size = strlen(request), .reply = exchange(fd, request)};
	close(fd);
	return t;
}

static struct traffic websocket(size_t size) {
	struct traffic t = {.greeting = "GET / HTTP/1.1\r\nHost: localhost\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
									"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"};
	size_t head = size < 126 ? 2 : 4;
	t.size = head + 4 + size;
	t.reply = head + size;
	t.message = malloc(t.size);
	memset(t.message, 'x', t.size);
	t.message[0] = (char)0x82;
	t.message[1] = (char)(0x80 | (size < 126 ? size : 126));
	if (head == 4) {
		t.message[2] = (char)(size >> 8);
		t.message[3] = (char)size;
	}
	return t;
}

static struct traffic echo(size_t size) {
	struct traffic t = {.message = malloc(size), .size = size, .reply = size};
	memset(t.message, 'x', size);
	t.message[0] = (char)((size - 2) >> 8);
	t.message[1] = (char)(size - 2);
	return t;
}

int main(int argc, char **argv) {
	if (argc < 8)
		return 2;
	uint16_t port = (uint16_t)atoi(argv[2]);
	unsigned n = (unsigned)atoi(argv[4]);
	size_t size = (size_t)atol(argv[5]), window = (size_t)atol(argv[6]);
	double duration = atof(argv[7]);
	const char *kind = argc > 8 ? argv[8] : "echo";
	struct traffic t = strcmp(kind, "http") == 0        ? http(port)
					   : strcmp(kind, "websocket") == 0 ? websocket(size)
														: echo(size);
	clockid_t server;
	clock_getcpuclockid(atoi(argv[3]), &server);
	size_t *partial = calloc(n, sizeof *partial);
	int *fds = calloc(n, sizeof *fds), set = epoll_create1(0);
	char *messages = malloc(t.size * window), *buffer = malloc(t.reply * window);
	for (size_t i = 0; i < window; i++)
		memcpy(messages + i * t.size, t.message, t.size);
	for (unsigned i = 0; i < n; i++) {
		fds[i] = connected(port);
		if (t.greeting)
			exchange(fds[i], t.greeting);
		epoll_ctl(set, EPOLL_CTL_ADD, fds[i], &(struct epoll_event){.events = EPOLLIN, .data.u32 = i});
		if (write(fds[i], messages, t.size * window) < 0)
			fail("cannot write");
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
			ssize_t got = read(fds[i], buffer, t.reply * window);
			if (got <= 0)
				fail("the server has closed a connection");
			size_t whole = (partial[i] + (size_t)got) / t.reply;
			partial[i] = (partial[i] + (size_t)got) % t.reply;
			done += whole;
			if (whole && write(fds[i], messages, whole * t.size) < 0)
				fail("cannot write");
		}
	}
	printf("RESULT %s cpu=%.9g wall=%.9g\n", argv[1], (seconds(server) - cpu) / (double)done * 1e6,
		   (now - wall) / (double)done * 1e6);
	return 0;
}
