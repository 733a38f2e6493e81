/* See resolver.h. A list of lookups, each with those who wait for it: who asks for a name that is being asked for joins.
 * A lookup that nobody waits for any more is given up at once. Events of c-ares' descriptors and one timer come on
 * whichever thread polls and name a lookup by its number, so one that comes late finds nothing. Everything is under one
 * lock, below that of a slot; results leave as events, so no callback runs under it. */
#include "socket/resolver.h"

#include <errno.h>
#include <netdb.h>
#include <pthread.h>
#include <string.h>
#include <strings.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/log.h"
#include "core/send.h"
#include "socket/resolver_cache.h"
#include "socket/slot.h"

#define LIMIT_NS 30000000000u /* a lookup's */
#define OTHER_NS 5000000000u  /* for the second family, when one is there */
#define GRACE_NS 50000000u    /* RFC 8305, 3: the Resolution Delay */
#define TICK_NS 10000000u     /* of the timer, which many lookups share */
#define LOOKUPS 1024          /* at a time: each has sockets */
#define UNSURE_TTL 30u        /* seconds that an answer is good for when a family was not answered */
#define NEVER UINT64_MAX

/* A result under way, or who waits for one. */
struct waiting {
	struct reef_event event;
	struct waiting *next;
	uint32_t owner;
	int id, port; /* of a connecting socket; */
	reef_looked_up done;
	void *ud;
	struct reef_answer answer;
	bool last;
	const char *error;
};

struct job {
	struct job *next;
	uint64_t number;
	char *name;
	bool shared;                        /* others may join, and the answer is remembered */
	uint64_t early_ns, end_ns, next_ns; /* connecting sockets begin; its limit; c-ares wants to be called */
	size_t told;                        /* addresses that those have; all of one family, the only one answered: */
	bool told_v6;
	struct reef_lookup *lookup;
	struct waiting *waiting;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct job *jobs;
static size_t count;
static uint64_t last_number;
static int timer = -1;
static uint64_t armed; /* 0: not */
static bool stopped;

/* ---- results ---- */

static void waiting_delete(struct waiting *w) {
	reef_free(w->answer.list);
	reef_free(w);
}

/* The service is gone: whoever waited hears it on this thread, and lets go of what it holds. */
static void waiting_drop(struct waiting *w) {
	if (w->done)
		w->done(w->ud, NULL, NULL);
	waiting_delete(w);
}

static void deliver(struct reef_service *service, struct reef_event *event) {
	(void)service;
	struct waiting *w = (struct waiting *)event;
	if (w->done)
		w->done(w->ud, &w->answer, w->error);
	else
		reef_connect_resolved(w->id, w->answer.list, w->answer.n, w->last, w->error);
	waiting_delete(w);
}

static void drop(struct reef_event *event) {
	waiting_drop((struct waiting *)event);
}

static struct waiting *waiting_new(uint32_t owner, void *ud) {
	struct waiting *w = reef_calloc(1, sizeof *w);
	w->event = (struct reef_event){
			.message = {.flags = REEF_MESSAGE_EVENT, .type = REEF_PTYPE_SOCKET}, .deliver = deliver, .drop = drop};
	w->owner = owner;
	w->ud = ud;
	return w;
}

/* Takes w. */
static void hand_over(struct waiting *w, const struct reef_answer *answer, bool last, const char *error) {
	w->answer = reef_answer_copy(answer, w->port);
	w->last = last;
	w->error = error;
	if (stopped || !reef_send_event(w->owner, &w->event))
		waiting_drop(w);
}

static bool is_early(const struct waiting *w) {
	return w->done == NULL;
}

/* A connecting socket begins with what there is; the rest follows. */
static void send_early(const struct waiting *waiting, const struct reef_answer *answer) {
	if (!is_early(waiting))
		return;
	struct waiting *w = waiting_new(waiting->owner, NULL);
	w->id = waiting->id;
	w->port = waiting->port;
	hand_over(w, answer, false, NULL);
}

/* ---- lookups under way: locked ---- */

static void job_delete(struct job *job) {
	struct job **link = &jobs;
	while (*link != job)
		link = &(*link)->next;
	*link = job->next;
	count--;
	reef_lookup_delete(job->lookup);
	while (job->waiting) {
		struct waiting *w = job->waiting;
		job->waiting = w->next;
		waiting_drop(w);
	}
	reef_free(job->name);
	reef_free(job);
}

static void finish(struct job *job) {
	const struct reef_answer *answer = reef_lookup_answer(job->lookup);
	bool pending = reef_lookup_pending(job->lookup) != 0;
	bool sure = !pending && reef_lookup_complete(job->lookup);
	if (job->shared)
		reef_resolver_cache_put(job->name, answer, sure ? answer->ttl : UNSURE_TTL);
	const char *error = pending ? gai_strerror(EAI_AGAIN) : reef_lookup_error(job->lookup);
	struct reef_answer rest = *answer;
	rest.n -= job->told;
	if (job->told_v6)
		rest.list += job->told;
	while (job->waiting) {
		struct waiting *w = job->waiting;
		job->waiting = w->next;
		hand_over(w, is_early(w) ? &rest : answer, true, error);
	}
	job_delete(job);
}

static void arm(uint64_t at);

/* Something about the lookup may have changed. May delete it. */
static void look_at(struct job *job) {
	uint64_t now = reef_now_ns();
	const struct reef_answer *answer = reef_lookup_answer(job->lookup);
	if (job->waiting == NULL) {
		job_delete(job);
		return;
	}
	if (reef_lookup_pending(job->lookup) == 0 || now >= job->end_ns) {
		finish(job);
		return;
	}
	if (answer->n > 0 && job->early_ns == NEVER) {
		job->early_ns = answer->list[0].any.sa_family == AF_INET6 ? now : now + GRACE_NS;
		if (now + OTHER_NS < job->end_ns)
			job->end_ns = now + OTHER_NS;
	}
	if (job->told == 0 && now >= job->early_ns) {
		job->told = answer->n;
		job->told_v6 = answer->list[0].any.sa_family == AF_INET6;
		for (struct waiting *w = job->waiting; w; w = w->next)
			send_early(w, answer);
	}
	job->next_ns = reef_lookup_next(job->lookup);
	if (job->end_ns < job->next_ns)
		job->next_ns = job->end_ns;
	if (job->told == 0 && job->early_ns < job->next_ns)
		job->next_ns = job->early_ns;
	arm(job->next_ns);
}

static struct job *find(uint64_t number) {
	struct job *job = jobs;
	while (job && job->number != number)
		job = job->next;
	return job;
}

/* ---- the poller's side ---- */

static void on_ready(uint64_t ud, int fd, int events) {
	pthread_mutex_lock(&lock);
	struct job *job = events ? find(ud) : NULL;
	if (job) {
		reef_lookup_process(job->lookup, fd, events);
		look_at(job);
	}
	pthread_mutex_unlock(&lock);
}

static void on_timer(uint64_t ud, int fd, int events) {
	(void)ud;
	(void)events;
	uint64_t expirations;
	pthread_mutex_lock(&lock);
	if (read(fd, &expirations, sizeof expirations) > 0) {
		armed = 0;
		uint64_t now = reef_now_ns();
		for (struct job *job = jobs, *next; job; job = next) {
			next = job->next;
			if (job->next_ns > now) {
				arm(job->next_ns);
				continue;
			}
			reef_lookup_process(job->lookup, -1, 0);
			look_at(job);
		}
	}
	(void)reef_fd_watch(timer, REEF_FD_READ, on_timer, 0);
	pthread_mutex_unlock(&lock);
}

/* Locked. */
static void arm(uint64_t at) {
	if (at == NEVER)
		return;
	at += TICK_NS - at % TICK_NS;
	if (armed != 0 && armed <= at)
		return;
	if (timer < 0) {
		timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
		int error = timer < 0 ? errno : reef_fd_watch(timer, REEF_FD_READ, on_timer, 0);
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
	job->lookup = reef_lookup_new(question, on_ready, job->number);
	job->next = jobs;
	jobs = job;
	count++;
	return job;
}

static struct job *find_shared(const char *name) {
	struct job *job = jobs;
	while (job && (!job->shared || strcasecmp(job->name, name) != 0))
		job = job->next;
	return job;
}

/* Takes w. Locked. */
static void join(struct job *job, struct waiting *w) {
	w->next = job->waiting;
	job->waiting = w;
	if (job->told > 0)
		send_early(w, reef_lookup_answer(job->lookup));
	look_at(job);
}

/* Takes w. `shared`: the plain question about a name, which others may ask, too. */
static void ask(const struct reef_question *question, bool shared, struct waiting *w) {
	struct reef_answer known = {.list = NULL};
	pthread_mutex_lock(&lock);
	struct job *job = shared ? find_shared(question->name) : NULL;
	if (stopped)
		waiting_drop(w);
	else if (shared && reef_resolver_cache_get(question->name, &known))
		hand_over(w, &known, true, NULL);
	else if (job == NULL && count >= LOOKUPS)
		hand_over(w, &known, true, gai_strerror(EAI_AGAIN));
	else
		join(job ? job : job_new(question, shared), w);
	pthread_mutex_unlock(&lock);
	reef_free(known.list);
}

/* What needs no asking. Takes w if so. */
static bool answer_at_once(const char *host, struct waiting *w) {
	struct reef_target target;
	struct reef_answer answer = {.list = NULL};
	bool literal = reef_target_parse(&target, host, w->port) == NULL && target.literal;
	if (literal && target.address.any.sa_family != AF_UNIX) {
		hand_over(w, &(struct reef_answer){.list = &target.address, .n = 1}, true, NULL);
		return true;
	}
	reef_lookup_hosts(host, REEF_LOOKUP_V4 | REEF_LOOKUP_V6, &answer);
	if (answer.n > 0)
		hand_over(w, &answer, true, NULL);
	reef_free(answer.list);
	return answer.n > 0;
}

static void resolve(const char *host, struct waiting *w) {
	if (!answer_at_once(host, w))
		ask(&(struct reef_question){.name = host, .families = REEF_LOOKUP_V4 | REEF_LOOKUP_V6}, true, w);
}

void reef_resolver_open(uint32_t owner, int id, const char *host, int port) {
	struct waiting *w = waiting_new(owner, NULL);
	w->id = id;
	w->port = port;
	resolve(host, w);
}

void reef_resolver_resolve(uint32_t owner, const char *host, reef_looked_up done, void *ud) {
	struct waiting *w = waiting_new(owner, ud);
	w->done = done;
	resolve(host, w);
}

void reef_resolver_ask(uint32_t owner, const struct reef_question *question, reef_looked_up done, void *ud) {
	struct waiting *w = waiting_new(owner, ud);
	w->done = done;
	ask(question, false, w);
}

/* The socket `id`, or who waits with `ud`. */
static bool withdraw(int id, const void *ud) {
	bool found = false;
	pthread_mutex_lock(&lock);
	for (struct job *job = jobs; job && !found; job = job->next) {
		struct waiting **link = &job->waiting;
		while (*link && ((*link)->id != id || (*link)->ud != ud))
			link = &(*link)->next;
		if (*link == NULL)
			continue;
		struct waiting *w = *link;
		*link = w->next;
		waiting_delete(w);
		found = true;
		if (job->waiting == NULL) {
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
	if (found.n == 0) {
		struct reef_lookup *lookup = reef_lookup_new(&question, NULL, 0);
		reef_lookup_block(lookup, reef_now_ns() + LIMIT_NS);
		found = reef_answer_copy(reef_lookup_answer(lookup), 0);
		*error = reef_lookup_error(lookup);
		reef_lookup_delete(lookup);
	}
	*answer = reef_answer_copy(&found, port);
	reef_free(found.list);
	return answer->n > 0;
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
	while (jobs)
		job_delete(jobs);
	reef_resolver_cache_clear();
	pthread_mutex_unlock(&lock);
}

void reef_resolver_setup(void) {
	reef_lookup_setup();
}
