/* See resolver.h. A list of lookups, each with those who wait for it: who asks for a name that is being asked for joins.
 * A lookup that nobody waits for any more is given up at once. Events of c-ares' descriptors and one timer come on
 * whichever thread polls and name a lookup by its number, so one that comes late finds nothing. Everything is under one
 * lock, below that of a slot; results leave as events, so no callback runs under it. */
#include "resolver.h"
#include "core/clock.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/list.h"
#include "core/log.h"
#include "core/service.h"
#include "endpoint.h"
#include "resolver_cache.h"

#define LIMIT_NS 30000000000u /* a lookup's */
#define OTHER_NS 5000000000u  /* for the second family, when one is there */
#define GRACE_NS 50000000u    /* RFC 8305, 3: the Resolution Delay */
#define TICK_NS 10000000u     /* of the timer, which many lookups share */
#define LOOKUPS 1024          /* at a time: each has sockets */
#define UNSURE_TTL 30u        /* seconds that an answer is good for when a family was not answered */
#define NEVER UINT64_MAX

struct job {
	struct reef_link link; /* in `jobs` */
	uint64_t number;
	char *name;
	bool shared;                        /* others may join, and the answer is remembered */
	uint64_t early_ns, end_ns, next_ns; /* connecting sockets begin; its limit; c-ares wants to be called */
	size_t told;                        /* addresses that those have; all of one family, the only one answered: */
	bool told_v6;
	struct reef_lookup *lookup;
	struct reef_list waiters;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_list jobs = {{&jobs.head, &jobs.head}};
static size_t count;
static uint64_t last_number;
static int timer = -1;
static uint64_t armed; /* 0: not */
static bool stopped;

/* ---- results ---- */

/* Takes w. */
static void hand_over(struct reef_waiter *w, const struct reef_answer *answer, bool last, const char *error) {
	if (stopped)
		reef_waiter_drop(w);
	else
		reef_waiter_send(w, answer, last, error);
}

static bool is_early(const struct reef_waiter *w) {
	return w->found != NULL;
}

/* A connecting socket begins with what there is; the rest follows. */
static void send_early(const struct reef_waiter *waiting, const struct reef_answer *answer) {
	if (!is_early(waiting))
		return;
	struct reef_waiter *w = reef_waiter_new(waiting->owner);
	w->id = waiting->id;
	w->port = waiting->port;
	w->found = waiting->found;
	hand_over(w, answer, false, NULL);
}

/* ---- lookups under way: locked ---- */

static struct job *job_of(struct reef_link *link) {
	return reef_list_entry(link, struct job, link);
}

static struct reef_waiter *waiter_of(struct reef_link *link) {
	return reef_list_entry(link, struct reef_waiter, link);
}

static void job_delete(struct job *job) {
	reef_link_remove(&job->link);
	count--;
	reef_lookup_delete(job->lookup);
	struct reef_link *link;
	while ((link = reef_list_pop(&job->waiters)))
		reef_waiter_drop(waiter_of(link));
	reef_free(job->name);
	reef_free(job);
}

static void resolver_job_finish(struct job *job) {
	const struct reef_answer *answer = reef_lookup_answer(job->lookup);
	bool pending = reef_lookup_pending(job->lookup) != 0;
	bool sure = !pending && reef_lookup_complete(job->lookup);
	if (job->shared)
		reef_resolver_cache_put(job->name, answer, sure ? answer->ttl : UNSURE_TTL);
	const char *error = pending ? gai_strerror(EAI_AGAIN) : reef_lookup_error(job->lookup);
	struct reef_answer rest = *answer;
	rest.count -= job->told;
	if (job->told_v6)
		rest.items += job->told;
	struct reef_link *link;
	while ((link = reef_list_pop(&job->waiters))) {
		struct reef_waiter *w = waiter_of(link);
		hand_over(w, is_early(w) ? &rest : answer, true, error);
	}
	job_delete(job);
}

static void arm_timer(uint64_t at);

/* Something about the lookup may have changed. May delete it. */
static void look_at(struct job *job) {
	uint64_t now = reef_now_ns();
	const struct reef_answer *answer = reef_lookup_answer(job->lookup);
	if (reef_list_is_empty(&job->waiters)) {
		job_delete(job);
		return;
	}
	if (reef_lookup_pending(job->lookup) == 0 || now >= job->end_ns) {
		resolver_job_finish(job);
		return;
	}
	if (answer->count > 0 && job->early_ns == NEVER) {
		job->early_ns = answer->items[0].any.sa_family == AF_INET6 ? now : now + GRACE_NS;
		if (now + OTHER_NS < job->end_ns)
			job->end_ns = now + OTHER_NS;
	}
	if (job->told == 0 && now >= job->early_ns) {
		job->told = answer->count;
		job->told_v6 = answer->items[0].any.sa_family == AF_INET6;
		for (struct reef_link *link = reef_list_first(&job->waiters); link; link = reef_list_next(&job->waiters, link))
			send_early(waiter_of(link), answer);
	}
	job->next_ns = reef_lookup_next(job->lookup);
	if (job->end_ns < job->next_ns)
		job->next_ns = job->end_ns;
	if (job->told == 0 && job->early_ns < job->next_ns)
		job->next_ns = job->early_ns;
	arm_timer(job->next_ns);
}

static struct job *find_job(uint64_t number) {
	struct reef_link *link = reef_list_first(&jobs);
	while (link && job_of(link)->number != number)
		link = reef_list_next(&jobs, link);
	return job_of(link);
}

/* ---- the poller's side ---- */

static void lookup_ready(uint64_t ud, int fd, int events) {
	pthread_mutex_lock(&lock);
	struct job *job = events ? find_job(ud) : NULL;
	if (job) {
		reef_lookup_process(job->lookup, fd, events);
		look_at(job);
	}
	pthread_mutex_unlock(&lock);
}

static void resolver_timer_due(uint64_t ud, int fd, int events) {
	(void)ud;
	(void)events;
	uint64_t expirations;
	pthread_mutex_lock(&lock);
	if (read(fd, &expirations, sizeof expirations) > 0) {
		armed = 0;
		uint64_t now = reef_now_ns();
		for (struct reef_link *link = reef_list_first(&jobs), *next; link; link = next) {
			struct job *job = job_of(link);
			next = reef_list_next(&jobs, link);
			if (job->next_ns > now) {
				arm_timer(job->next_ns);
				continue;
			}
			reef_lookup_process(job->lookup, -1, 0);
			look_at(job);
		}
	}
	(void)reef_fd_watch(timer, REEF_FD_READ, resolver_timer_due, 0, NULL);
	pthread_mutex_unlock(&lock);
}

/* Locked. */
static void arm_timer(uint64_t at) {
	if (at == NEVER)
		return;
	at += TICK_NS - at % TICK_NS;
	if (armed != 0 && armed <= at)
		return;
	if (timer < 0) {
		timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		int error = timer < 0 ? errno : reef_fd_watch(timer, REEF_FD_READ, resolver_timer_due, 0, NULL);
		if (error != 0) {
			reef_log(0, "error: socket: no timer for lookups: %s", strerrordesc_np(error));
			return;
		}
	}
	armed = at;
	struct itimerspec spec = {.it_value = {.tv_sec = (time_t)(at / 1000000000u), .tv_nsec = (long)(at % 1000000000u)}};
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

/* ---- asking ---- */

static struct job *job_new(const struct reef_question *question, bool shared) {
	struct job *job = reef_calloc(1, sizeof *job);
	job->number = ++last_number;
	job->name = reef_strdup(question->name);
	job->shared = shared;
	job->early_ns = NEVER;
	job->end_ns = reef_now_ns() + LIMIT_NS;
	job->lookup = reef_lookup_new(question, lookup_ready, job->number);
	reef_list_init(&job->waiters);
	reef_list_push_front(&jobs, &job->link);
	count++;
	return job;
}

static struct job *find_shared(const char *name) {
	struct reef_link *link = reef_list_first(&jobs);
	while (link && (!job_of(link)->shared || strcasecmp(job_of(link)->name, name) != 0))
		link = reef_list_next(&jobs, link);
	return job_of(link);
}

/* Takes w. Locked. */
static void join_job(struct job *job, struct reef_waiter *w) {
	reef_list_push_front(&job->waiters, &w->link);
	if (job->told > 0)
		send_early(w, reef_lookup_answer(job->lookup));
	look_at(job);
}

/* Takes w. `shared`: the plain question about a name, which others may ask, too. */
static void ask(const struct reef_question *question, bool shared, struct reef_waiter *w) {
	struct reef_answer known = {.items = NULL};
	pthread_mutex_lock(&lock);
	struct job *job = shared ? find_shared(question->name) : NULL;
	if (stopped)
		reef_waiter_drop(w);
	else if (shared && reef_resolver_cache_get(question->name, &known))
		hand_over(w, &known, true, NULL);
	else if (job == NULL && count >= LOOKUPS)
		hand_over(w, &known, true, gai_strerror(EAI_AGAIN));
	else
		join_job(job ? job : job_new(question, shared), w);
	pthread_mutex_unlock(&lock);
	reef_answer_fini(&known);
}

/* What needs no asking. Takes w if so. */
static bool answer_at_once(const char *host, struct reef_waiter *w) {
	struct reef_endpoint endpoint;
	struct reef_answer answer = {.items = NULL};
	bool literal = reef_endpoint_parse(&endpoint, host, w->port) == NULL && endpoint.literal;
	if (literal && endpoint.address.any.sa_family != AF_UNIX) {
		hand_over(w, &(struct reef_answer){.items = &endpoint.address, .count = 1}, true, NULL);
		return true;
	}
	reef_lookup_hosts(host, REEF_LOOKUP_V4 | REEF_LOOKUP_V6, &answer);
	if (answer.count > 0)
		hand_over(w, &answer, true, NULL);
	bool found = answer.count > 0;
	reef_answer_fini(&answer);
	return found;
}

static void resolver_resolve(const char *host, struct reef_waiter *w) {
	if (!answer_at_once(host, w))
		ask(&(struct reef_question){.name = host, .families = REEF_LOOKUP_V4 | REEF_LOOKUP_V6}, true, w);
}

void reef_resolver_open(uint32_t owner, int id, const char *host, int port, reef_waiter_found found) {
	struct reef_waiter *w = reef_waiter_new(owner);
	w->found = found;
	w->id = id;
	w->port = port;
	resolver_resolve(host, w);
}

void reef_resolver_resolve(uint32_t owner, const char *host, reef_waiter_done done, void *ud) {
	struct reef_waiter *w = reef_waiter_new(owner);
	w->ud = ud;
	w->done = done;
	resolver_resolve(host, w);
}

void reef_resolver_ask(uint32_t owner, const struct reef_question *question, reef_waiter_done done, void *ud) {
	struct reef_waiter *w = reef_waiter_new(owner);
	w->ud = ud;
	w->done = done;
	ask(question, false, w);
}

/* The socket `id`, or who waits with `ud`. */
static bool withdraw(int id, const void *ud) {
	bool found = false;
	pthread_mutex_lock(&lock);
	for (struct reef_link *link = reef_list_first(&jobs); link && !found; link = reef_list_next(&jobs, link)) {
		struct job *job = job_of(link);
		struct reef_link *at = reef_list_first(&job->waiters);
		while (at && (waiter_of(at)->id != id || waiter_of(at)->ud != ud))
			at = reef_list_next(&job->waiters, at);
		if (at == NULL)
			continue;
		reef_link_remove(at);
		reef_waiter_delete(waiter_of(at));
		found = true;
		if (reef_list_is_empty(&job->waiters)) {
			job_delete(job);
			break;
		}
	}
	pthread_mutex_unlock(&lock);
	return found;
}

void reef_resolver_forget(int id) {
	(void)withdraw(id, NULL);
}

bool reef_resolver_cancel(void *ud) {
	return withdraw(0, ud);
}

bool reef_resolver_now(const char *host, int port, struct reef_answer *answer, const char **error) {
	struct reef_question question = {.name = host, .families = REEF_LOOKUP_V4 | REEF_LOOKUP_V6};
	struct reef_answer found;
	reef_lookup_hosts(host, question.families, &found);
	if (found.count == 0) {
		struct reef_lookup *lookup = reef_lookup_new(&question, NULL, 0);
		reef_lookup_block(lookup, reef_now_ns() + LIMIT_NS);
		found = reef_answer_copy(reef_lookup_answer(lookup), 0);
		*error = reef_lookup_error(lookup);
		reef_lookup_delete(lookup);
	}
	*answer = reef_answer_copy(&found, port);
	reef_answer_fini(&found);
	return answer->count > 0;
}

/* ---- start and end ---- */

void reef_resolver_flush(void) {
	pthread_mutex_lock(&lock);
	reef_resolver_cache_clear();
	pthread_mutex_unlock(&lock);
}

void reef_resolver_stop(void) {
	pthread_mutex_lock(&lock);
	stopped = true;
	while (!reef_list_is_empty(&jobs))
		job_delete(job_of(reef_list_first(&jobs)));
	reef_resolver_cache_clear();
	pthread_mutex_unlock(&lock);
}

void reef_resolver_setup(void) {
	reef_lookup_setup();
}
