/* Loads a server: `yard_load PORT PID CONNECTIONS SIZE [http|websocket]`, told by lines `NAME WINDOW SECONDS` on its input.
 * It connects once, prints READY, and for each line loads for that long: every connection keeps WINDOW messages on their way,
 * of SIZE bytes, which come back, and the first two of which are the length of the others; or requests `GET /`, whose answers
 * are all as long as the first one; or WebSocket messages of SIZE bytes. Then it prints the server's CPU (of process PID) and
 * the wall time for each message, and is silent until the next line. So several servers can take turns, each with all its
 * clients connected. */
#include <arpa/inet.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
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

struct load {
	struct traffic traffic;
	clockid_t server;
	int set;    /* of epoll */
	unsigned n; /* connections */
	int *fds;
	size_t *partial;         /* bytes that have come of an answer, by connection */
	size_t *on_way;          /* messages without an answer, by connection */
	char *messages, *buffer; /* `room` messages and answers */
	size_t room;
};

#define WARM_UP 0.3 /* seconds of a turn before anything is measured */

static void allow_descriptors(unsigned n) {
	struct rlimit limit;
	getrlimit(RLIMIT_NOFILE, &limit);
	limit.rlim_cur = limit.rlim_max;
	setrlimit(RLIMIT_NOFILE, &limit);
	if (limit.rlim_cur < n + 16) {
		fprintf(stderr, "load: %u connections need as many descriptors, the limit is %lu (ulimit -Hn)\n", n,
				(unsigned long)limit.rlim_cur);
		exit(1);
	}
}

static void connect_all(struct load *load, uint16_t port) {
	load->fds = calloc(load->n, sizeof *load->fds);
	load->partial = calloc(load->n, sizeof *load->partial);
	load->on_way = calloc(load->n, sizeof *load->on_way);
	load->set = epoll_create1(0);
	for (unsigned i = 0; i < load->n; i++) {
		load->fds[i] = connected(port);
		if (load->traffic.greeting)
			exchange(load->fds[i], load->traffic.greeting);
		epoll_ctl(load->set, EPOLL_CTL_ADD, load->fds[i], &(struct epoll_event){.events = EPOLLIN, .data.u32 = i});
	}
}

static void make_room(struct load *load, size_t window) {
	if (window <= load->room)
		return;
	const struct traffic *t = &load->traffic;
	load->room = window;
	load->messages = realloc(load->messages, t->size * window);
	load->buffer = realloc(load->buffer, t->reply * window);
	for (size_t i = 0; i < window; i++)
		memcpy(load->messages + i * t->size, t->message, t->size);
}

static void ask(struct load *load, unsigned i, size_t messages) {
	size_t n = messages * load->traffic.size;
	if (write(load->fds[i], load->messages, n) != (ssize_t)n)
		fail("cannot write");
	load->on_way[i] += messages;
}

/* Reads what has come; asks again for each answer if `on`. Returns how many answers came. */
static size_t serve(struct load *load, bool on) {
	struct epoll_event events[256];
	size_t done = 0, reply = load->traffic.reply;
	int ready = epoll_wait(load->set, events, 256, 10000);
	if (ready == 0)
		fail("the server does not answer");
	for (int k = 0; k < ready; k++) {
		unsigned i = events[k].data.u32;
		ssize_t got = read(load->fds[i], load->buffer, reply * load->room);
		if (got <= 0)
			fail("the server has closed a connection");
		size_t whole = (load->partial[i] + (size_t)got) / reply;
		load->partial[i] = (load->partial[i] + (size_t)got) % reply;
		if (whole > load->on_way[i])
			fail("the server says more than was asked");
		load->on_way[i] -= whole;
		done += whole;
		if (whole && on)
			ask(load, i, whole);
	}
	return done;
}

static void turn(struct load *load, const char *name, size_t window, double duration) {
	make_room(load, window);
	for (unsigned i = 0; i < load->n; i++)
		ask(load, i, window);
	size_t done = 0, on_way = load->n * window;
	double wall = seconds(CLOCK_MONOTONIC) + WARM_UP, cpu = -1, now;
	while ((now = seconds(CLOCK_MONOTONIC)) < wall + duration || cpu < 0) {
		if (cpu < 0 && now >= wall) {
			done = 0;
			wall = now;
			cpu = seconds(load->server);
		}
		done += serve(load, true);
	}
	cpu = seconds(load->server) - cpu;
	while (on_way > 0)
		on_way -= serve(load, false);
	printf("RESULT %s cpu=%.9g wall=%.9g\n", name, cpu / (double)done * 1e6, (now - wall) / (double)done * 1e6);
	fflush(stdout);
}

int main(int argc, char **argv) {
	if (argc < 5)
		return 2;
	uint16_t port = (uint16_t)atoi(argv[1]);
	size_t size = (size_t)atol(argv[4]), window;
	const char *kind = argc > 5 ? argv[5] : "echo";
	struct load load = {.n = (unsigned)atoi(argv[3])};
	char name[64];
	double duration;
	allow_descriptors(load.n);
	clock_getcpuclockid(atoi(argv[2]), &load.server);
	load.traffic = strcmp(kind, "http") == 0        ? http(port)
				   : strcmp(kind, "websocket") == 0 ? websocket(size)
													: echo(size);
	connect_all(&load, port);
	puts("READY");
	fflush(stdout);
	while (scanf("%63s %zu %lf", name, &window, &duration) == 3)
		turn(&load, name, window, duration);
	return 0;
}
