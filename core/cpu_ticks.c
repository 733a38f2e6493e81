/* Ticks of CPU time: see cpu_ticks.h. */
#include "cpu_ticks.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

#include "list.h"

#define NS_PER_S 1000000000u

#ifndef sigev_notify_thread_id
#define sigev_notify_thread_id _sigev_un._tid
#endif

/* A thread's record lies in its own memory; all are in a list. */
struct ticking {
	struct reef_link link;
	pid_t tid;
	clockid_t clock;
	bool has_timer, joined; /* joined: in the list; the thread's own */
	timer_t timer;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_list threads = {{&threads.head, &threads.head}};
static uint64_t period; /* ns; 0: nobody asks */
static _Atomic(reef_cpu_tick) call;
static _Thread_local struct ticking own;

static void on_tick(int number, siginfo_t *info, void *context) {
	(void)number;
	int error = errno;
	reef_cpu_tick tick = atomic_load_explicit(&call, memory_order_acquire);
	if (tick)
		tick(info->si_code == SI_TIMER && info->si_overrun > 0 ? 1 + (unsigned)info->si_overrun : 1, context);
	errno = error;
}

static bool set_timer(struct ticking *thread) {
	struct sigevent event = {.sigev_notify = SIGEV_THREAD_ID, .sigev_signo = SIGPROF};
	event.sigev_notify_thread_id = thread->tid;
	if (!thread->has_timer && timer_create(thread->clock, &event, &thread->timer) != 0)
		return false;
	thread->has_timer = true;
	struct timespec each = {.tv_sec = (time_t)(period / NS_PER_S), .tv_nsec = (long)(period % NS_PER_S)};
	return timer_settime(thread->timer, 0, &(struct itimerspec){each, each}, NULL) == 0;
}

static void drop_timer(struct ticking *thread) {
	if (thread->has_timer)
		timer_delete(thread->timer);
	thread->has_timer = false;
}

static void drop_timers(void) {
	period = 0;
	for (struct reef_link *link = reef_list_first(&threads); link; link = reef_list_next(&threads, link))
		drop_timer(reef_list_entry(link, struct ticking, link));
}

bool reef_cpu_ticks_start(uint64_t period_ns, reef_cpu_tick tick) {
	/* Kept for good: a signal that comes late would end the process. */
	struct sigaction action = {.sa_sigaction = on_tick, .sa_flags = SA_SIGINFO | SA_RESTART};
	sigemptyset(&action.sa_mask);
	bool ok = sigaction(SIGPROF, &action, NULL) == 0;
	pthread_mutex_lock(&lock);
	atomic_store_explicit(&call, tick, memory_order_release);
	period = period_ns;
	for (struct reef_link *link = reef_list_first(&threads); ok && link; link = reef_list_next(&threads, link))
		ok = set_timer(reef_list_entry(link, struct ticking, link));
	if (!ok)
		drop_timers();
	pthread_mutex_unlock(&lock);
	return ok;
}

void reef_cpu_ticks_stop(void) {
	pthread_mutex_lock(&lock);
	drop_timers();
	pthread_mutex_unlock(&lock);
}

void reef_cpu_ticks_join(void) {
	own = (struct ticking){.tid = (pid_t)syscall(SYS_gettid)};
	if (pthread_getcpuclockid(pthread_self(), &own.clock) != 0)
		return;
	pthread_mutex_lock(&lock);
	reef_list_push(&threads, &own.link);
	own.joined = true;
	if (period != 0)
		set_timer(&own);
	pthread_mutex_unlock(&lock);
}

void reef_cpu_ticks_leave(void) {
	if (!own.joined)
		return;
	pthread_mutex_lock(&lock);
	drop_timer(&own);
	reef_link_remove(&own.link);
	pthread_mutex_unlock(&lock);
	own.joined = false;
}
