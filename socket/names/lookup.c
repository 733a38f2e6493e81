/* See lookup.h. A and AAAA are two questions, so that one that is not answered does not hold up the other (RFC 8305, 3).
 * The search list (resolv.conf(5)) is gone through here, since both have to be asked about the same name: the next one
 * is tried when neither family is there.
 * Interests in descriptors are for one time (fd.h) and given again after each call to c-ares, for what it still has open;
 * it says so before it closes one. */
#include "lookup.h"
#include "core/clock.h"

#include <ares.h>
#include <netdb.h>
#include <poll.h>
#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/log.h"
#include "core/net.h"
#include "core/sim.h"
#include "lookup_io.h"

/* c-ares doubles the time after each round through all servers: 2, 4, 8 and 16 s with one. */
#define TIMEOUT_MS 2000
#define TRIES 4
#define CLASS_IN 1 /* RFC 1035, 3.2.4 */

struct open_fd {
	int fd, events;
	bool watched;
};

struct reef_lookup {
	ares_channel channel; /* NULL: it could not be made */
	reef_fd_ready ready;
	uint64_t ud;
	char **names; /* to be asked for, ended by NULL; */
	size_t next;  /* the one after the present one */
	int families, pending, type;
	int status; /* why there is nothing */
	bool incomplete, deleted;
	struct reef_answer answer;
	struct REEF_ARRAY(struct open_fd) fds;
};

/* ---- answers ---- */

/* IPv6 goes before what is there already; the order within a family stays. */
static void add_found(struct reef_answer *answer, const struct ares_addrinfo *found) {
	size_t v6 = 0;
	while (v6 < answer->count && answer->items[v6].any.sa_family == AF_INET6)
		v6++;
	for (const struct ares_addrinfo_node *node = found->nodes; node; node = node->ai_next) {
		if (node->ai_family != AF_INET && node->ai_family != AF_INET6)
			continue;
		reef_answer_insert(answer, node->ai_addr, node->ai_family == AF_INET6 ? v6++ : answer->count);
		reef_answer_bound_ttl(answer, node->ai_ttl);
	}
	for (const struct ares_addrinfo_cname *name = found->cnames; name; name = name->next)
		reef_answer_bound_ttl(answer, name->ttl);
}

/* A name that exists is more than one that does not, and a failure more than both. */
static bool says_more(int one, int other) {
	int grades[2], statuses[2] = {one, other};
	for (int i = 0; i < 2; i++) {
		int status = statuses[i];
		grades[i] = status == ARES_SUCCESS ? 0 : status == ARES_ENOTFOUND ? 1 : status == ARES_ENODATA ? 2 : 3;
	}
	return grades[0] >= grades[1];
}

static void family_answered(struct reef_lookup *lookup, int family, int status, struct ares_addrinfo *found) {
	if (!lookup->deleted) {
		lookup->pending &= ~family;
		if (status == ARES_SUCCESS && found)
			add_found(&lookup->answer, found);
		else if (status != ARES_SUCCESS && !says_more(lookup->status, status))
			lookup->status = status;
		lookup->incomplete |= status != ARES_SUCCESS && status != ARES_ENODATA && status != ARES_ENOTFOUND;
	}
	if (found)
		ares_freeaddrinfo(found);
}

static void on_v4(void *ud, int status, int timeouts, struct ares_addrinfo *found) {
	(void)timeouts;
	family_answered(ud, REEF_LOOKUP_V4, status, found);
}

static void on_v6(void *ud, int status, int timeouts, struct ares_addrinfo *found) {
	(void)timeouts;
	family_answered(ud, REEF_LOOKUP_V6, status, found);
}

/* ---- records ---- */

static void add_services(struct reef_answer *answer, const unsigned char *message, int length, int *status) {
	struct ares_srv_reply *found = NULL;
	*status = ares_parse_srv_reply(message, length, &found);
	for (const struct ares_srv_reply *one = found; one; one = one->next)
		reef_answer_add_record(answer, one->host, strlen(one->host), one->port);
	if (found)
		ares_free_data(found);
}

/* A record is several strings, one after the other in the list. */
static void add_texts(struct reef_answer *answer, const unsigned char *message, int length, int *status) {
	struct ares_txt_ext *found = NULL;
	*status = ares_parse_txt_reply_ext(message, length, &found);
	for (const struct ares_txt_ext *one = found; one;) {
		size_t n = 0;
		const struct ares_txt_ext *end = one;
		do {
			n += end->length;
			end = end->next;
		} while (end && !end->record_start);
		char *text = reef_malloc(n + 1);
		n = 0;
		for (; one != end; one = one->next) {
			memcpy(text + n, one->txt, one->length);
			n += one->length;
		}
		reef_answer_add_record(answer, text, n, 0);
		reef_free(text);
	}
	if (found)
		ares_free_data(found);
}

static void on_records(void *ud, int status, int timeouts, unsigned char *message, int length) {
	(void)timeouts;
	struct reef_lookup *lookup = ud;
	if (lookup->deleted)
		return;
	lookup->pending = 0;
	/* c-ares does not tell how long these are good for. */
	reef_answer_bound_ttl(&lookup->answer, 0);
	if (status == ARES_SUCCESS && lookup->type == REEF_LOOKUP_SRV)
		add_services(&lookup->answer, message, length, &status);
	else if (status == ARES_SUCCESS)
		add_texts(&lookup->answer, message, length, &status);
	lookup->status = status;
	lookup->incomplete = status != ARES_SUCCESS && status != ARES_ENODATA && status != ARES_ENOTFOUND;
}

/* ---- descriptors ---- */

static void on_state(void *ud, ares_socket_t fd, int readable, int writable) {
	struct reef_lookup *lookup = ud;
	int events = (readable ? REEF_FD_READ : 0) | (writable ? REEF_FD_WRITE : 0);
	size_t i = 0;
	while (i < lookup->fds.count && lookup->fds.items[i].fd != fd)
		i++;
	if (events == 0) {
		if (i == lookup->fds.count)
			return;
		if (lookup->fds.items[i].watched)
			(void)reef_fd_unwatch(fd, lookup->ready, lookup->ud);
		lookup->fds.items[i] = lookup->fds.items[--lookup->fds.count];
		return;
	}
	if (i == lookup->fds.count) {
		struct open_fd *added = reef_array_add(&lookup->fds);
		if (added == NULL)
			return;
		added->fd = fd;
	}
	lookup->fds.items[i].watched = lookup->fds.items[i].watched && lookup->fds.items[i].events == events;
	lookup->fds.items[i].events = events;
}

static void watch_all(struct reef_lookup *lookup) {
	for (size_t i = 0; lookup->ready && i < lookup->fds.count; i++) {
		struct open_fd *open = &lookup->fds.items[i];
		if (open->watched)
			continue;
		/* One that cannot be watched is left to the timeout. */
		open->watched = true;
		(void)reef_fd_watch(open->fd, open->events, lookup->ready, lookup->ud, NULL);
	}
}

static const struct ares_addrinfo_hints *hints(int family) {
	static const struct ares_addrinfo_hints v4 = {.ai_family = AF_INET, .ai_socktype = SOCK_STREAM},
											v6 = {.ai_family = AF_INET6, .ai_socktype = SOCK_STREAM},
											both = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
	return family == AF_INET ? &v4 : family == AF_INET6 ? &v6 : &both;
}

/* Asks for the next name while nothing is known of those before. */
static void ask_next(struct reef_lookup *lookup) {
	while (lookup->pending == 0 && lookup->answer.count == 0 && !lookup->incomplete && lookup->names[lookup->next]) {
		const char *name = lookup->names[lookup->next++];
		if (lookup->type) {
			lookup->pending = REEF_LOOKUP_V4;
			ares_query(lookup->channel, name, CLASS_IN, lookup->type, on_records, lookup);
			continue;
		}
		lookup->pending = lookup->families;
		if (lookup->families & REEF_LOOKUP_V6)
			ares_getaddrinfo(lookup->channel, name, NULL, hints(AF_INET6), on_v6, lookup);
		if (lookup->families & REEF_LOOKUP_V4)
			ares_getaddrinfo(lookup->channel, name, NULL, hints(AF_INET), on_v4, lookup);
	}
	watch_all(lookup);
}

void reef_lookup_process(struct reef_lookup *lookup, int fd, int events) {
	size_t i = 0;
	while (i < lookup->fds.count && lookup->fds.items[i].fd != fd)
		i++;
	if (fd >= 0 && i == lookup->fds.count)
		return;
	if (fd >= 0)
		lookup->fds.items[i].watched = false;
	ares_process_fd(lookup->channel, events & REEF_FD_READ ? fd : ARES_SOCKET_BAD,
					events & REEF_FD_WRITE ? fd : ARES_SOCKET_BAD);
	ask_next(lookup);
}

uint64_t reef_lookup_next(const struct reef_lookup *lookup) {
	struct timeval space, *wait = lookup->pending ? ares_timeout(lookup->channel, NULL, &space) : NULL;
	if (wait == NULL)
		return UINT64_MAX;
	/* c-ares counts in microseconds, and has to find that the time is over. */
	return reef_now_ns() + (uint64_t)wait->tv_sec * 1000000000u + ((uint64_t)wait->tv_usec + 1) * 1000u;
}

void reef_lookup_block(struct reef_lookup *lookup, uint64_t deadline_ns) {
	while (lookup->pending) {
		uint64_t now = reef_now_ns(), next = reef_lookup_next(lookup);
		if (now >= deadline_ns)
			break;
		if (next > deadline_ns)
			next = deadline_ns;
		struct pollfd fds[8] = {{0}};
		nfds_t n = 0;
		for (; n < lookup->fds.count && n < 8; n++) {
			int events = lookup->fds.items[n].events;
			fds[n].fd = lookup->fds.items[n].fd;
			fds[n].events = (short)((events & REEF_FD_READ ? POLLIN : 0) | (events & REEF_FD_WRITE ? POLLOUT : 0));
		}
		if (poll(fds, n, (int)((next - now) / 1000000u) + 1) <= 0)
			reef_lookup_process(lookup, -1, 0);
		for (nfds_t i = 0; i < n; i++) {
			if (fds[i].revents)
				reef_lookup_process(lookup, fds[i].fd, fds[i].revents & POLLOUT ? REEF_FD_WRITE : REEF_FD_READ);
		}
	}
	if (lookup->pending && lookup->status == ARES_SUCCESS)
		lookup->status = ARES_ETIMEOUT;
}

/* ---- making ---- */

static char *joined(const char *name, const char *domain) {
	size_t n = strlen(name), m = domain ? strlen(domain) + 1 : 0;
	char *text = reef_malloc(n + m + 1);
	memcpy(text, name, n + 1);
	if (domain) {
		text[n] = '.';
		memcpy(text + n + 1, domain, m);
	}
	return text;
}

/* resolv.conf(5): a name with `ndots` dots comes first as it is; one with a dot at its end is complete. */
static char **candidates(const char *name, const struct ares_options *options) {
	size_t length = strlen(name), n = 0, domains = options->ndomains > 0 ? (size_t)options->ndomains : 0;
	int dots = 0;
	for (const char *p = name; *p; p++)
		dots += *p == '.';
	bool complete = length > 0 && name[length - 1] == '.', first = complete || dots >= options->ndots;
	char **names = reef_calloc(domains + 2, sizeof *names);
	if (first)
		names[n++] = joined(name, NULL);
	for (size_t i = 0; i < domains && !complete; i++)
		names[n++] = joined(name, options->domains[i]);
	if (!first)
		names[n++] = joined(name, NULL);
	return names;
}

/* What the system says: the names to be asked for, and whether nsswitch.conf allows to ask. */
static int read_system(struct reef_lookup *lookup, const struct reef_question *question) {
	struct ares_options options = {.resolvconf_path = (char *)(uintptr_t)question->resolv_conf};
	int mask = question->resolv_conf ? ARES_OPT_RESOLVCONF : 0;
	ares_channel channel;
	int status = ares_init_options(&channel, &options, mask);
	if (status != ARES_SUCCESS)
		return status;
	status = ares_save_options(channel, &options, &mask);
	if (status == ARES_SUCCESS) {
		bool chosen = question->servers || question->resolv_conf;
		if (!chosen && options.lookups && strchr(options.lookups, 'b') == NULL)
			status = ARES_ENOTFOUND;
		struct ares_options plain = {.ndomains = 0};
		lookup->names = candidates(question->name, question->type ? &plain : &options);
		ares_destroy_options(&options);
	}
	ares_destroy(channel);
	return status;
}

static int make_channel(struct reef_lookup *lookup, const struct reef_question *question) {
	char dns[] = "b";
	struct ares_options options = {.timeout = TIMEOUT_MS,
								   .tries = TRIES,
								   .lookups = dns,
								   .ndomains = 0,
								   .sock_state_cb = on_state,
								   .sock_state_cb_data = lookup,
								   .resolvconf_path = (char *)(uintptr_t)question->resolv_conf};
	int mask = ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES | ARES_OPT_LOOKUPS | ARES_OPT_DOMAINS | ARES_OPT_SOCK_STATE_CB;
	if (question->resolv_conf)
		mask |= ARES_OPT_RESOLVCONF;
	int status = ares_init_options(&lookup->channel, &options, mask);
	if (status == ARES_SUCCESS)
		reef_lookup_io_install(lookup->channel);
	if (status == ARES_SUCCESS && question->servers)
		status = ares_set_servers_ports_csv(lookup->channel, question->servers);
	return status;
}

struct reef_lookup *reef_lookup_new(const struct reef_question *question, reef_fd_ready ready, uint64_t ud) {
	if (reef_sim_on)
		reef_sim_refuse("a question to a name server");
	struct reef_lookup *lookup = reef_calloc(1, sizeof *lookup);
	lookup->ready = ready;
	lookup->ud = ud;
	lookup->families = question->families;
	lookup->type = question->type;
	lookup->answer.ttl = REEF_LOOKUP_TTL_MAX;
	lookup->status = read_system(lookup, question);
	if (lookup->status == ARES_SUCCESS)
		lookup->status = make_channel(lookup, question);
	if (lookup->status == ARES_SUCCESS)
		ask_next(lookup);
	return lookup;
}

void reef_lookup_delete(struct reef_lookup *lookup) {
	lookup->deleted = true;
	if (lookup->channel)
		ares_destroy(lookup->channel);
	for (char **name = lookup->names; name && *name; name++)
		reef_free(*name);
	reef_free(lookup->names);
	reef_array_fini(&lookup->fds);
	reef_answer_fini(&lookup->answer);
	reef_free(lookup);
}

int reef_lookup_pending(const struct reef_lookup *lookup) {
	return lookup->pending;
}

const struct reef_answer *reef_lookup_answer(const struct reef_lookup *lookup) {
	return &lookup->answer;
}

bool reef_lookup_complete(const struct reef_lookup *lookup) {
	return !lookup->incomplete;
}

const char *reef_lookup_error(const struct reef_lookup *lookup) {
	switch (lookup->status) {
	case ARES_ENODATA:
		return gai_strerror(EAI_NODATA);
	case ARES_ENOTFOUND:
	case ARES_EBADNAME:
	case ARES_ENONAME:
		return gai_strerror(EAI_NONAME);
	case ARES_ENOMEM:
		return gai_strerror(EAI_MEMORY);
	case ARES_EFORMERR:
	case ARES_EBADRESP:
	case ARES_ENOTIMP:
		return gai_strerror(EAI_FAIL);
	default:
		return gai_strerror(EAI_AGAIN);
	}
}

/* ---- the hosts file ---- */

static void on_hosts(void *ud, int status, int timeouts, struct ares_addrinfo *found) {
	(void)timeouts;
	if (found) {
		if (status == ARES_SUCCESS)
			add_found(ud, found);
		ares_freeaddrinfo(found);
	}
}

/* RFC 6761, 6.3: nobody is asked for these. */
static bool is_local(const char *name) {
	static const char local[] = "localhost";
	size_t n = strlen(name), m = sizeof local - 1;
	n -= n > 0 && name[n - 1] == '.';
	return n >= m && strncasecmp(name + n - m, local, m) == 0 && (n == m || name[n - m - 1] == '.');
}

static void add_loopback(struct reef_answer *answer, int families) {
	const struct sockaddr_in6 v6 = {.sin6_family = AF_INET6, .sin6_addr = IN6ADDR_LOOPBACK_INIT};
	const struct sockaddr_in v4 = {.sin_family = AF_INET, .sin_addr = {htonl(INADDR_LOOPBACK)}};
	if (families & REEF_LOOKUP_V6)
		reef_answer_insert(answer, (const struct sockaddr *)&v6, 0);
	if (families & REEF_LOOKUP_V4)
		reef_answer_insert(answer, (const struct sockaddr *)&v4, answer->count);
}

/* Each name is one of a host that is there. */
static void add_simulated(struct reef_answer *answer, const char *name) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(reef_net->resolve(name))};
	reef_answer_insert(answer, (const struct sockaddr *)&address, answer->count);
}

void reef_lookup_hosts(const char *name, int families, struct reef_answer *answer) {
	*answer = (struct reef_answer){.items = NULL};
	if (reef_sim_on) {
		add_simulated(answer, name);
		return;
	}
	char file[] = "f";
	struct ares_options options = {.lookups = file};
	ares_channel channel;
	int family = families == REEF_LOOKUP_V4 ? AF_INET : families == REEF_LOOKUP_V6 ? AF_INET6 : AF_UNSPEC;
	if (ares_init_options(&channel, &options, ARES_OPT_LOOKUPS) == ARES_SUCCESS) {
		ares_getaddrinfo(channel, name, NULL, hints(family), on_hosts, answer);
		ares_destroy(channel);
	}
	if (answer->count == 0 && is_local(name))
		add_loopback(answer, families);
}

void reef_lookup_setup(void) {
	int status = ares_library_init(ARES_LIB_INIT_ALL);
	if (status != ARES_SUCCESS)
		reef_log(0, "error: socket: names cannot be resolved: %s", ares_strerror(status));
}
