/* faultproxy: a TCP proxy that misbehaves as a seed says.
 *
 *   faultproxy TARGET CONTROL SEED     TARGET: a port of 127.0.0.1 or a Unix socket's path; CONTROL: path to listen on
 *
 * It prints `port N` and passes bytes between whoever connects there and TARGET. Bytes are never lost, changed or
 * reordered while a connection lives; what goes wrong is when they come, in which pieces, and when the connection ends.
 *
 * Faults happen at offsets of the byte stream, not at moments: for connection K and direction D the offsets are drawn
 * from (seed, K, D, kind of fault), so the same seed does the same to the same bytes, however they arrive.
 *
 * CONTROL takes one line a connection and answers `ok ...` or `error ...`:
 *   set cut=MEAN stall=MEAN:MS delay=MEAN:MS split=MAX[:US]
 *                   mean distance in bytes between faults (0: none). cut ends the connection (FIN or RST, by chance);
 *                   stall and delay hold back one direction, delay for 0..2 MS by chance; split passes at most 1..MAX
 *                   bytes at a time with US microseconds between (default 50). What is not named stays as it is.
 *                   Holds for new connections and from here on for living ones.
 *   set latency=MS rate=BYTES
 *                   every byte comes so much later; so many bytes a second at most, in each direction (0: any)
 *   pass            no faults; what was held back goes on
 *   hold [up|down] | heal
 *                   holds back everything, both ways or one, of all connections, new ones too | goes on
 *   half up|down    ends one direction of all connections (FIN); what else comes that way is not passed on
 *   cut | close     ends all connections now: RST | FIN
 *   refuse | accept connections are refused | taken again, on the same port
 *   next up=N|down=N fin|rst|hold|half
 *                   the next connection ends, or is held for ever, or ends in that direction, after exactly N bytes of it
 *   stats           `ok connections=N living=N cuts=N up=BYTES down=BYTES`
 *
 * One thread; a connection owns its two flows, the list owns the connections.
 */
#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <time.h>
#include <unistd.h>

#define NEVER UINT64_MAX
#define BUFFER 65536
#define MARKS 256

enum fault { CUT, STALL, DELAY, SPLIT, FAULTS };

static const char *const flow_names[] = {"up", "down"};
static const char *const fault_names[] = {"cut", "stall", "delay", "split"};

/* What to do: `mean` bytes between two faults, `arg` in ms (us for split). */
struct setting {
	uint64_t mean, arg;
};

/* Bytes up to an offset may pass from then on. */
struct mark {
	uint64_t end, due;
};

struct flow {
	const char *name; /* "up": client to server */
	int from, to;     /* owned by the connection */
	bool ended;       /* `from` has sent FIN */
	bool shut;        /* and `to` has been told */
	uint64_t offset;  /* bytes passed on so far */
	uint64_t not_before;
	uint64_t ripe;            /* offset up to which latency is over */
	struct mark marks[MARKS]; /* of what comes behind it: a ring */
	unsigned mark_at, mark_count;
	uint64_t random[FAULTS];
	uint64_t next[FAULTS]; /* offset of the next fault of that kind */
	uint64_t exact;        /* `next`: the offset where it ends */
	size_t start, end;     /* of what waits in data */
	char data[BUFFER];
};

struct connection {
	struct connection *link;
	unsigned index;
	struct flow flow[2]; /* up, down */
	bool dead;
};

static struct setting settings[FAULTS] = {[SPLIT] = {0, 50}};
static uint64_t seed;
static struct connection *connections;
static unsigned count, cuts;
static uint64_t total[2];
static bool holding[2];
static uint64_t latency, rate; /* ns, bytes a second */
static uint64_t exact_offset = NEVER;
static int exact_flow;
static char exact_how[8];

static struct sockaddr_storage target;
static socklen_t target_size;
static struct sockaddr_in own;
static int listener = -1;

static void die(const char *what) {
	perror(what);
	exit(1);
}

static uint64_t now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

/* splitmix64 */
static uint64_t draw(uint64_t *state) {
	uint64_t z = (*state += 0x9e3779b97f4a7c15u);
	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
	return z ^ (z >> 31);
}

/* 1 .. 2 * mean - 1 */
static uint64_t draw_about(uint64_t *state, uint64_t mean) {
	return 1 + draw(state) % (2 * mean - 1);
}

static void schedule(struct flow *f, enum fault kind) {
	f->next[kind] = settings[kind].mean ? f->offset + draw_about(&f->random[kind], settings[kind].mean) : NEVER;
}

static void nonblocking(int fd) {
	int one = 1;
	fcntl(fd, F_SETFL, O_NONBLOCK);
	setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

static void end_connection(struct connection *c, bool reset, const char *why) {
	if (c->dead)
		return;
	c->dead = true;
	struct linger now = {.l_onoff = 1, .l_linger = 0};
	for (int i = 0; i < 2; i++) {
		if (reset)
			setsockopt(c->flow[i].from, SOL_SOCKET, SO_LINGER, &now, sizeof now);
		close(c->flow[i].from);
	}
	printf("%u %s%s after up=%llu down=%llu\n", c->index, why, reset ? " (rst)" : "",
		   (unsigned long long)c->flow[0].offset, (unsigned long long)c->flow[1].offset);
}

static void take_connection(void) {
	int client = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
	if (client < 0)
		return;
	/* The target is on this machine: connecting takes no time worth a state of its own. */
	int server = socket(target.ss_family, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (server < 0 || connect(server, (struct sockaddr *)&target, target_size) != 0) {
		printf("target: %s\n", strerror(errno));
		close(client);
		if (server >= 0)
			close(server);
		return;
	}
	nonblocking(client);
	nonblocking(server);
	struct connection *c = calloc(1, sizeof *c);
	if (!c)
		die("memory");
	c->index = count++;
	for (int i = 0; i < 2; i++) {
		struct flow *f = &c->flow[i];
		f->name = flow_names[i];
		f->from = i == 0 ? client : server;
		f->to = i == 0 ? server : client;
		f->exact = NEVER;
		for (int kind = 0; kind < FAULTS; kind++) {
			f->random[kind] = seed * 1000003u + c->index * 8u + (uint64_t)i * 4u + (uint64_t)kind;
			schedule(f, (enum fault)kind);
		}
	}
	c->flow[exact_flow].exact = exact_offset;
	exact_offset = NEVER;
	c->link = connections;
	connections = c;
}

/* What has come and may not pass yet is thrown away, and what comes. */
static void end_flow(struct flow *f) {
	f->ended = true;
	f->start = f->end = 0;
	f->mark_count = 0;
	shutdown(f->from, SHUT_RD);
}

/* Does what is due at this offset. False: nothing may pass now. */
static bool faults_here(struct connection *c, struct flow *f, uint64_t now) {
	if (f->exact == f->offset) {
		if (strcmp(exact_how, "hold") == 0)
			f->not_before = NEVER;
		else if (strcmp(exact_how, "half") == 0)
			end_flow(f);
		else
			cuts++, end_connection(c, strcmp(exact_how, "rst") == 0, "cut as told");
		f->exact = NEVER;
		return false;
	}
	if (f->next[CUT] == f->offset) {
		cuts++;
		end_connection(c, draw(&f->random[CUT]) & 1, "cut");
		return false;
	}
	for (int kind = STALL; kind <= DELAY; kind++) {
		if (f->next[kind] != f->offset)
			continue;
		uint64_t ms = settings[kind].arg;
		if (kind == DELAY && ms)
			ms = draw_about(&f->random[kind], ms);
		schedule(f, (enum fault)kind);
		f->not_before = now + ms * 1000000u;
		printf("%u %s of %s at %llu for %llu ms\n", c->index, fault_names[kind], f->name, (unsigned long long)f->offset,
			   (unsigned long long)ms);
		return false;
	}
	return true;
}

static bool is_held(const struct connection *c, const struct flow *f) {
	return holding[f - c->flow];
}

static void ripen(struct flow *f, uint64_t now) {
	while (f->mark_count > 0 && f->marks[f->mark_at].due <= now) {
		f->ripe = f->marks[f->mark_at].end;
		f->mark_at = (f->mark_at + 1) % MARKS;
		f->mark_count--;
	}
}

/* Passes on what may pass now. */
static void pass_on(struct connection *c, struct flow *f, uint64_t now) {
	ripen(f, now);
	while (!c->dead && !is_held(c, f) && f->not_before <= now && faults_here(c, f, now) && f->offset < f->ripe &&
		   f->start < f->end) {
		uint64_t n = f->end - f->start;
		uint64_t stop = f->exact < f->ripe ? f->exact : f->ripe;
		for (int kind = 0; kind < SPLIT; kind++)
			stop = f->next[kind] < stop ? f->next[kind] : stop;
		if (n > stop - f->offset)
			n = stop - f->offset;
		if (settings[SPLIT].mean) {
			uint64_t piece = 1 + draw(&f->random[SPLIT]) % settings[SPLIT].mean;
			n = piece < n ? piece : n;
		}
		if (rate && n > 1 + rate / 100)
			n = 1 + rate / 100;
		ssize_t sent = send(f->to, f->data + f->start, n, MSG_NOSIGNAL);
		if (sent < 0) {
			if (errno != EAGAIN)
				end_connection(c, true, "peer is gone");
			return;
		}
		f->start += (size_t)sent;
		f->offset += (uint64_t)sent;
		total[f - c->flow] += (uint64_t)sent;
		if (settings[SPLIT].mean)
			f->not_before = now + settings[SPLIT].arg * 1000u;
		if (rate)
			f->not_before = now + (uint64_t)sent * 1000000000u / rate;
	}
	if (f->start == f->end)
		f->start = f->end = 0; /* or a full buffer would stay full for serve() */
	if (!c->dead && f->ended && f->start == f->end && !f->shut && !is_held(c, f) && f->not_before <= now) {
		f->shut = true;
		shutdown(f->to, SHUT_WR);
	}
	if (!c->dead && c->flow[0].shut && c->flow[1].shut)
		end_connection(c, false, "over");
}

static void fill(struct connection *c, struct flow *f, uint64_t now) {
	if (f->end == BUFFER || f->ended || f->mark_count == MARKS)
		return;
	ssize_t n = recv(f->from, f->data + f->end, BUFFER - f->end, 0);
	if (n > 0) {
		f->end += (size_t)n;
		f->marks[(f->mark_at + f->mark_count++) % MARKS] =
				(struct mark){.end = f->offset + (f->end - f->start), .due = now + latency};
	} else if (n == 0) {
		f->ended = true;
	} else if (errno != EAGAIN) {
		end_connection(c, true, "reset by peer");
	}
}

static void open_listener(void) {
	int one = 1;
	socklen_t size = sizeof own;
	listener = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (listener < 0 || setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one) != 0 ||
		bind(listener, (struct sockaddr *)&own, size) != 0 || listen(listener, 1024) != 0 ||
		getsockname(listener, (struct sockaddr *)&own, &size) != 0)
		die("listen");
}

static void end_all(bool reset) {
	for (struct connection *c = connections; c; c = c->link) {
		cuts += !c->dead;
		end_connection(c, reset, "cut as told");
	}
}

/* `set`: applies one NAME=NUMBER[:NUMBER]. */
static bool set(const char *word) {
	unsigned long long number;
	if (sscanf(word, "latency=%llu", &number) == 1) {
		latency = number * 1000000u;
		return true;
	} else if (sscanf(word, "rate=%llu", &number) == 1) {
		rate = number;
		return true;
	}
	for (int kind = 0; kind < FAULTS; kind++) {
		size_t n = strlen(fault_names[kind]);
		if (strncmp(word, fault_names[kind], n) != 0 || word[n] != '=')
			continue;
		char *rest;
		settings[kind].mean = strtoull(word + n + 1, &rest, 10);
		if (*rest == ':')
			settings[kind].arg = strtoull(rest + 1, &rest, 10);
		for (struct connection *c = connections; c; c = c->link)
			for (int i = 0; i < 2; i++)
				schedule(&c->flow[i], (enum fault)kind);
		return *rest == '\0';
	}
	return false;
}

static void heal(void) {
	holding[0] = holding[1] = false;
	for (struct connection *c = connections; c; c = c->link)
		c->flow[0].not_before = c->flow[1].not_before = 0;
}

static bool command(char *line) {
	char *save, *word = strtok_r(line, " \n", &save);
	if (!word)
		return false;
	if (strcmp(word, "set") == 0) {
		while ((word = strtok_r(NULL, " \n", &save)))
			if (!set(word))
				return false;
	} else if (strcmp(word, "pass") == 0) {
		set((char[]){"cut=0"}), set((char[]){"stall=0"}), set((char[]){"delay=0"}), set((char[]){"split=0"});
		latency = rate = 0;
		heal();
	} else if (strcmp(word, "hold") == 0) {
		word = strtok_r(NULL, " \n", &save);
		for (int i = 0; i < 2; i++)
			holding[i] = holding[i] || !word || strcmp(word, flow_names[i]) == 0;
	} else if (strcmp(word, "half") == 0) {
		word = strtok_r(NULL, " \n", &save);
		for (struct connection *c = connections; c; c = c->link)
			for (int i = 0; i < 2 && !c->dead; i++)
				if (word && strcmp(word, flow_names[i]) == 0)
					end_flow(&c->flow[i]);
	} else if (strcmp(word, "heal") == 0) {
		heal();
	} else if (strcmp(word, "cut") == 0 || strcmp(word, "close") == 0) {
		end_all(word[1] == 'u');
	} else if (strcmp(word, "refuse") == 0) {
		if (listener >= 0)
			close(listener);
		listener = -1;
	} else if (strcmp(word, "accept") == 0) {
		if (listener < 0)
			open_listener();
	} else if (strcmp(word, "next") == 0) {
		char direction[8];
		unsigned long long at;
		if (sscanf(save, "%5[a-z]=%llu %7[a-z]", direction, &at, exact_how) != 3)
			return false;
		exact_flow = strcmp(direction, "down") == 0;
		exact_offset = at;
	} else {
		return strcmp(word, "stats") == 0;
	}
	return true;
}

static void control(int fd) {
	char line[1024];
	ssize_t n = recv(fd, line, sizeof line - 1, 0);
	if (n > 0) {
		line[n] = '\0';
		unsigned living = 0;
		bool ok = command(line);
		for (struct connection *c = connections; c; c = c->link)
			living += !c->dead;
		if (ok)
			dprintf(fd, "ok connections=%u living=%u cuts=%u up=%llu down=%llu\n", count, living, cuts,
					(unsigned long long)total[0], (unsigned long long)total[1]);
		else
			dprintf(fd, "error not understood\n");
	}
	close(fd);
}

/* Frees the connections that have ended; returns how many live. */
static size_t sweep(void) {
	size_t living = 0;
	for (struct connection **at = &connections; *at;) {
		struct connection *c = *at;
		if (c->dead) {
			*at = c->link;
			free(c);
		} else {
			at = &c->link;
			living++;
		}
	}
	return living;
}

static void serve(int control_fd) {
	struct pollfd *polls = NULL;
	for (;;) {
		size_t n = 2;
		polls = realloc(polls, (2 + 2 * sweep()) * sizeof *polls);
		if (!polls)
			die("memory");
		polls[0] = (struct pollfd){.fd = control_fd, .events = POLLIN};
		polls[1] = (struct pollfd){.fd = listener, .events = POLLIN};
		uint64_t now = now_ns(), wake = NEVER;
		/* polls[2k] watches the client of connection k, polls[2k+1] its server. */
		for (struct connection *c = connections; c; c = c->link, n += 2) {
			short events[2] = {0, 0};
			for (int i = 0; i < 2; i++) {
				struct flow *f = &c->flow[i];
				if (!f->ended && f->end < BUFFER && f->mark_count < MARKS)
					events[i] |= POLLIN;
				bool waiting = f->start < f->end || (f->ended && !f->shut);
				if (!waiting || holding[i])
					continue;
				uint64_t then = f->not_before;
				if (f->offset >= f->ripe && f->mark_count > 0 && f->marks[f->mark_at].due > then)
					then = f->marks[f->mark_at].due;
				if (then <= now)
					events[!i] |= POLLOUT;
				else if (then < wake)
					wake = then;
			}
			for (int i = 0; i < 2; i++)
				polls[n + (size_t)i] = (struct pollfd){.fd = events[i] ? c->flow[i].from : -1, .events = events[i]};
		}
		struct timespec left = {0, 0};
		if (wake != NEVER && wake > now)
			left = (struct timespec){.tv_sec = (time_t)((wake - now) / 1000000000u),
									 .tv_nsec = (long)((wake - now) % 1000000000u)};
		if (ppoll(polls, n, wake == NEVER ? NULL : &left, NULL) < 0 && errno != EINTR)
			die("ppoll");
		now = now_ns();
		n = 2;
		for (struct connection *c = connections; c; c = c->link, n += 2) {
			for (int i = 0; i < 2 && !c->dead; i++)
				if (polls[n + (size_t)i].revents & (POLLIN | POLLHUP | POLLERR))
					fill(c, &c->flow[i], now);
			for (int i = 0; i < 2 && !c->dead; i++)
				pass_on(c, &c->flow[i], now);
		}
		if (polls[1].revents)
			take_connection();
		if (polls[0].revents) {
			int fd = accept4(control_fd, NULL, NULL, SOCK_CLOEXEC);
			if (fd >= 0)
				control(fd);
		}
	}
}

static socklen_t unix_address(struct sockaddr_un *a, const char *path) {
	if (strlen(path) >= sizeof a->sun_path) {
		fprintf(stderr, "%s: too long for a Unix socket\n", path);
		exit(1);
	}
	a->sun_family = AF_UNIX;
	strcpy(a->sun_path, path);
	return sizeof *a;
}

int main(int argc, char **argv) {
	if (argc != 4) {
		fprintf(stderr, "usage: faultproxy TARGET CONTROL SEED\n");
		return 2;
	}
	signal(SIGPIPE, SIG_IGN);
	setvbuf(stdout, NULL, _IOLBF, 0);
	char *rest;
	unsigned long port = strtoul(argv[1], &rest, 10);
	if (*rest == '\0') {
		struct sockaddr_in *a = (struct sockaddr_in *)&target;
		*a = (struct sockaddr_in){.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
		a->sin_addr.s_addr = htonl(INADDR_LOOPBACK);
		target_size = sizeof *a;
	} else {
		target_size = unix_address((struct sockaddr_un *)&target, argv[1]);
	}
	seed = strtoull(argv[3], NULL, 10);

	struct sockaddr_un a = {0};
	socklen_t size = unix_address(&a, argv[2]);
	int control_fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
	if (control_fd < 0 || bind(control_fd, (struct sockaddr *)&a, size) != 0 || listen(control_fd, 16) != 0)
		die(argv[2]);
	own = (struct sockaddr_in){.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	open_listener();
	printf("port %u seed %llu\n", ntohs(own.sin_port), (unsigned long long)seed);
	serve(control_fd);
}
