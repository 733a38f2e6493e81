/* Helper threads: see await.h.
 *
 * Who looks for a job by its number does so under the pool's lock, and a job's number is taken away before it is freed: so
 * a number may be kept for longer than its job. A helper that still runs when the process ends touches nothing any more. */
#include "await.h"
#include "sim.h"

#include <errno.h>
#include <pthread.h>
#include <stddef.h>
#include <sys/prctl.h>
#include <time.h>

#include "alloc.h"
#include "clock.h"
#include "env.h"
#include "epoch.h"
#include "log.h"
#include "message.h"
#include "ptrmap.h"
#include "send.h"
#include "service.h"
#include "thread.h"

enum { DEFAULT_THREADS = 8 };

struct await_job {
	struct reef_event event; /* first: an event is its job */
	struct await_job *next;  /* in the queue */
	const struct reef_await_work *work;
	void *ud;
	uint64_t number;
	uint32_t owner;
	bool cancelled; /* under the lock */
};

static struct {
	pthread_mutex_t lock;
	pthread_cond_t more; /* a job has come, or the pool stops */
	struct await_job *first, **last;
	struct reef_ptrmap jobs; /* by number */
	uint64_t numbers;
	unsigned threads, running, waiting;
	bool stopped;
} pool = {.lock = PTHREAD_MUTEX_INITIALIZER, .more = PTHREAD_COND_INITIALIZER, .last = &pool.first};

static const void *key_of(uint64_t number) {
	return (const void *)(uintptr_t)number;
}

/* Nobody finds it any more; was it cancelled? */
static bool job_take_number(struct await_job *job) {
	pthread_mutex_lock(&pool.lock);
	reef_ptrmap_remove(&pool.jobs, key_of(job->number));
	bool cancelled = job->cancelled;
	pthread_mutex_unlock(&pool.lock);
	return cancelled;
}

static void job_drop(struct await_job *job) {
	job_take_number(job);
	if (job->work->drop)
		job->work->drop(job->ud);
	reef_free(job);
}

static void await_event_drop(struct reef_event *event) {
	job_drop((struct await_job *)event);
}

static void await_event_deliver(struct reef_service *service, struct reef_event *event) {
	struct await_job *job = (struct await_job *)event;
	struct await_job own = *job;
	if (job_take_number(job)) {
		job_drop(job);
		return;
	}
	reef_free(job);
	own.work->done((struct skynet_context *)service, own.ud);
}

/* Without the lock. */
static void job_run(struct await_job *job) {
	reef_epoch_enter();
	bool wanted = reef_service_alive(job->owner);
	reef_epoch_leave();
	if (wanted)
		job->work->run(job->ud);
	pthread_mutex_lock(&pool.lock);
	bool cancelled = job->cancelled, stopped = pool.stopped;
	pthread_mutex_unlock(&pool.lock);
	if (stopped)
		return;
	if (wanted && !cancelled) {
		reef_epoch_enter();
		bool sent = reef_send_event(job->owner, &job->event);
		reef_epoch_leave();
		if (sent)
			return;
	}
	job_drop(job);
}

static void *helper_main(void *unused) {
	(void)unused;
	prctl(PR_SET_NAME, "helper");
	pthread_mutex_lock(&pool.lock);
	for (;;) {
		while (pool.first == NULL && !pool.stopped)
			pthread_cond_wait(&pool.more, &pool.lock);
		if (pool.stopped)
			break;
		struct await_job *job = pool.first;
		pool.first = job->next;
		if (pool.first == NULL)
			pool.last = &pool.first;
		pool.waiting--;
		pool.running++;
		bool cancelled = job->cancelled;
		pthread_mutex_unlock(&pool.lock);
		if (cancelled)
			job_drop(job);
		else
			job_run(job);
		pthread_mutex_lock(&pool.lock);
		pool.running--;
	}
	pool.threads--;
	pthread_mutex_unlock(&pool.lock);
	return NULL;
}

/* One helper more; 0 or an errno. With the lock. */
static int add_helper(void) {
	int error = reef_thread_detached(helper_main, NULL);
	if (error == 0)
		pool.threads++;
	return error;
}

/* Are there threads for one job more? With the lock; 0 or an errno. */
static int make_room(void) {
	if (pool.running + pool.waiting < pool.threads ||
		(long)pool.threads >= reef_env_int("await_threads", DEFAULT_THREADS))
		return 0;
	int error = add_helper();
	return pool.threads > 0 ? 0 : error;
}

uint64_t reef_await(struct skynet_context *context, const struct reef_await_work *work, void *ud) {
	if (reef_sim_on)
		reef_sim_refuse("a C function on a thread of its own (reef_await)");
	struct await_job *job = reef_calloc(1, sizeof *job);
	job->event = (struct reef_event){.message = {.flags = REEF_MESSAGE_EVENT, .type = REEF_PTYPE_SYSTEM},
									 .deliver = await_event_deliver,
									 .drop = await_event_drop};
	job->work = work;
	job->ud = ud;
	job->owner = reef_service_handle((struct reef_service *)context);
	pthread_mutex_lock(&pool.lock);
	uint64_t number = ++pool.numbers;
	job->number = number;
	int error = pool.stopped ? ECANCELED : make_room();
	if (error == 0 && !reef_ptrmap_put(&pool.jobs, key_of(number), job))
		error = ENOMEM;
	if (error == 0) {
		*pool.last = job;
		pool.last = &job->next;
		pool.waiting++;
		pthread_cond_signal(&pool.more);
	}
	pthread_mutex_unlock(&pool.lock);
	if (error == 0)
		return number;
	reef_free(job);
	errno = error;
	return 0;
}

bool reef_await_cancel(uint64_t number) {
	if (number == 0)
		return false;
	pthread_mutex_lock(&pool.lock);
	struct await_job *job = reef_ptrmap_get(&pool.jobs, key_of(number));
	bool was_wanted = job && !job->cancelled;
	if (was_wanted)
		job->cancelled = true;
	pthread_mutex_unlock(&pool.lock);
	return was_wanted;
}

void reef_await_count(unsigned *running, unsigned *waiting) {
	pthread_mutex_lock(&pool.lock);
	*running = pool.running;
	*waiting = pool.waiting;
	pthread_mutex_unlock(&pool.lock);
}

void reef_await_stop(uint64_t deadline_ns) {
	pthread_mutex_lock(&pool.lock);
	struct await_job *job = pool.first;
	pool.first = NULL;
	pool.last = &pool.first;
	pool.waiting = 0;
	pthread_mutex_unlock(&pool.lock);
	while (job) {
		struct await_job *next = job->next;
		job_drop(job);
		job = next;
	}
	/* What runs may still tell what it has done; idle ones wait for the lock and see that it is over. */
	unsigned running, waiting, threads;
	for (;;) {
		reef_await_count(&running, &waiting);
		if (running == 0 || reef_now_ns() >= deadline_ns)
			break;
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	}
	if (running > 0)
		reef_log(0, "%u C functions on helper threads are left alone: they have not come back", running);
	pthread_mutex_lock(&pool.lock);
	pool.stopped = true;
	pthread_cond_broadcast(&pool.more);
	pthread_mutex_unlock(&pool.lock);
	do {
		pthread_mutex_lock(&pool.lock);
		threads = pool.threads;
		if (threads <= running)
			reef_ptrmap_fini(&pool.jobs);
		pthread_mutex_unlock(&pool.lock);
		if (threads > running)
			nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
	} while (threads > running);
}
