/* The end of the process: see end.h. All times are on the scale of reef_now_ns. */
#include "end.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "clock.h"
#include "daemon.h"
#include "env.h"
#include "epoch.h"
#include "handle.h"
#include "log.h"
#include "log_writer.h"
#include "name.h"
#include "notify.h"
#include "scheduler.h"
#include "send.h"
#include "service_life.h"
#include "service_private.h"
#include "signals.h"
#include "worker_private.h"

#define SECOND_NS UINT64_C(1000000000)
#define DEFAULT_SHUTDOWN_CS 500
#define LONGEST_SHUTDOWN_CS (INT64_C(100) * 86400 * 365)
#define CLOSE_NS SECOND_NS             /* for closing VMs, between the abort and the cut */
#define LEAST_FLUSH_NS (SECOND_NS / 2) /* for sockets, when hooks have taken all the time */
#define TAIL_NS (SECOND_NS / 4)        /* for what comes after the sockets */
#define AGAIN_NS SECOND_NS             /* what a second signal leaves, counted from the first */
#define LINES_NS (SECOND_NS / 5)       /* for the logger to write the last lines */

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static bool finished, stopping, over;
static atomic_bool aborted;
static atomic_int hooks_cut; /* services */
static uint64_t began;       /* 0: it has not */
static uint64_t abort_at, cut_at;

static atomic_int exit_code;

void reef_end_set_exit_code(int code) {
	int orderly = 0;
	atomic_compare_exchange_strong(&exit_code, &orderly, code);
}

int reef_end_exit_code(void) {
	return atomic_load(&exit_code);
}

static uint64_t timeout_ns(void) {
	long cs = reef_env_int("shutdown_timeout", DEFAULT_SHUTDOWN_CS);
	if (cs < 0)
		cs = 0;
	if (cs > LONGEST_SHUTDOWN_CS)
		cs = LONGEST_SHUTDOWN_CS;
	return (uint64_t)cs * 10000000u;
}

/* `reef run` ends when its script does, which is nothing to tell. */
static bool tells(void) {
	return reef_env_get("reef_run") == NULL;
}

/* Under the lock. False: it had begun before. */
static bool start_countdown(void) {
	if (began != 0)
		return false;
	began = reef_now_ns();
	abort_at = began + timeout_ns();
	cut_at = abort_at + CLOSE_NS;
	pthread_cond_broadcast(&changed);
	reef_signals_wake();
	return true;
}

/* All services are being killed: the clock starts if it had not. True: an orderly end was under way. */
static bool begin_abort(void) {
	pthread_mutex_lock(&lock);
	bool first = start_countdown();
	if (!atomic_exchange(&aborted, true)) {
		uint64_t closed_at = reef_now_ns() + CLOSE_NS, end_at = began + timeout_ns();
		if (closed_at < end_at)
			closed_at = end_at;
		if (closed_at < cut_at)
			cut_at = closed_at;
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
	return !first;
}

/* A shutdown hook that does not run, or does not run to its end, is told of, and the end is not an orderly one. */
static bool check_hooks(uint32_t handle, bool orderly) {
	const struct reef_service *service = reef_handle_find(handle);
	if (service == NULL || !atomic_load(&service->hooked))
		return false;
	atomic_fetch_add(&hooks_cut, 1);
	reef_end_set_exit_code(REEF_EXIT_CUT);
	if (orderly)
		reef_log_at(REEF_LOG_ERROR, 0, "shutdown: :%08x (%s) did not end in time: its shutdown hooks were cut off",
					handle, service->description);
	else
		reef_log_at(REEF_LOG_WARN, 0,
					"abort: the shutdown hooks of :%08x (%s) are not run; reef.process.stop runs them", handle,
					service->description);
	return true;
}

/* Says whose hooks do not run when the process ends at once, but for this service's. */
static bool check_hooks_but(uint32_t but) {
	size_t n = reef_handle_list(NULL, 0);
	uint32_t *handles = reef_malloc((n + 1) * sizeof *handles);
	size_t found = reef_handle_list(handles, n);
	bool any = false;
	for (size_t i = 0; i < found && i < n; i++)
		any |= handles[i] != but && check_hooks(handles[i], false);
	reef_free(handles);
	return any;
}

void reef_end_abort(uint32_t source) {
	bool orderly = begin_abort();
	if (source != 0 && !orderly && tells() && reef_end_exit_code() != REEF_EXIT_FAILED)
		reef_log(source, "the process ends: this service has aborted it");
	reef_service_refuse_launches();
	size_t n = reef_handle_list(NULL, 0);
	uint32_t *handles = reef_malloc((n + 1) * sizeof *handles);
	size_t found = reef_handle_list(handles, n);
	for (size_t i = 0; i < found && i < n; i++) {
		if (handles[i] == reef_log_service())
			continue;
		check_hooks(handles[i], orderly);
		reef_service_kill(handles[i]);
	}
	reef_free(handles);
}

void reef_end_stop(uint32_t source) {
	pthread_mutex_lock(&lock);
	bool first = start_countdown();
	pthread_mutex_unlock(&lock);
	if (!first)
		return;
	reef_notify("STOPPING=1");
	if (source != 0 && tells())
		reef_log(source, "the process ends: this service has asked for it");
	uint32_t launcher = reef_name_find("launcher");
	if (launcher == 0 || !reef_send_copy(0, launcher, REEF_PTYPE_SYSTEM, 0, NULL, 0))
		reef_end_abort(0);
}

/* A signal asks for an orderly end. A second one leaves a second from the first. */
static void stop_by_signal(int number) {
	pthread_mutex_lock(&lock);
	bool again = began != 0;
	uint64_t soon = began + AGAIN_NS, now = reef_now_ns();
	if (soon < now)
		soon = now;
	if (again && abort_at > soon)
		abort_at = soon;
	if (again && cut_at > soon + CLOSE_NS) {
		cut_at = soon + CLOSE_NS;
		pthread_cond_broadcast(&changed);
	}
	pthread_mutex_unlock(&lock);
	reef_log(0, again ? "%s again: what is left of the end has a second" : "%s: the process ends in order",
			 number == SIGINT ? "SIGINT" : "SIGTERM");
	if (!again)
		reef_end_stop(0);
}

bool reef_end_has_begun(void) {
	pthread_mutex_lock(&lock);
	bool begun = began != 0;
	pthread_mutex_unlock(&lock);
	return begun;
}

bool reef_end_failed(void) {
	bool failed = !reef_end_has_begun();
	if (failed)
		reef_end_set_exit_code(REEF_EXIT_FAILED);
	return failed;
}

void reef_end_finished(void) {
	pthread_mutex_lock(&lock);
	bool first = start_countdown();
	pthread_mutex_unlock(&lock);
	/* Before the log may be closed. */
	if (first && tells() && reef_end_exit_code() != REEF_EXIT_FAILED)
		reef_log(0, "the process ends: its last service has ended");
	pthread_mutex_lock(&lock);
	finished = true;
	pthread_mutex_unlock(&lock);
	reef_signals_wake();
}

void reef_end_tell(void) {
	int code = reef_end_exit_code();
	double seconds = (double)(reef_now_ns() - began) / (double)SECOND_NS;
	bool is_short = seconds < 1;
	if (tells())
		reef_log(0, "the process has ended, %.*f %s after its end began: exit code %d%s", is_short ? 0 : 1,
				 is_short ? seconds * 1000 : seconds, is_short ? "ms" : "s", code,
				 code == REEF_EXIT_CUT ? ", something was left out or cut off" : "");
}

void reef_end_stopping(void) {
	pthread_mutex_lock(&lock);
	stopping = true;
	pthread_mutex_unlock(&lock);
}

/* ---- waiting ---- */

uint64_t reef_end_wait(void (*on_hangup)(void)) {
	for (;;) {
		pthread_mutex_lock(&lock);
		bool done = finished;
		uint64_t next = began == 0 || atomic_load(&aborted) ? UINT64_MAX : abort_at;
		pthread_mutex_unlock(&lock);
		if (done)
			break;
		int number = reef_signals_wait(next);
		reef_epoch_enter();
		if (number == SIGHUP) {
			reef_log(0, "SIGHUP: the log is opened anew, and certificates are read again");
			on_hangup();
		} else if (number != 0)
			stop_by_signal(number);
		else if (reef_now_ns() >= next)
			reef_end_abort(0);
		reef_epoch_leave();
	}
	pthread_mutex_lock(&lock);
	uint64_t until = reef_now_ns() + LEAST_FLUSH_NS;
	if (until < began + timeout_ns())
		until = began + timeout_ns();
	if (until + TAIL_NS > cut_at)
		until = cut_at - TAIL_NS;
	/* Sockets may take all the time that services have left; what comes after them has its own, as VMs would have had. */
	uint64_t last = began + timeout_ns() + CLOSE_NS;
	if (cut_at < last)
		cut_at = until + CLOSE_NS < last ? until + CLOSE_NS : last;
	pthread_mutex_unlock(&lock);
	return until;
}

bool reef_end_go_on(uint64_t *next) {
	pthread_mutex_lock(&lock);
	bool done = finished;
	*next = began == 0 || atomic_load(&aborted) ? UINT64_MAX : abort_at;
	pthread_mutex_unlock(&lock);
	if (!done && reef_now_ns() >= *next)
		reef_end_abort(0);
	return done;
}

/* ---- the cut ---- */

/* The last words, for the log and for stderr if the log cannot be written. */
struct words {
	char text[4096];
	size_t size;
};

__attribute__((format(printf, 2, 3))) static void say(struct words *words, const char *format, ...) {
	char *line = words->text + words->size;
	size_t room = sizeof words->text - words->size;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line, room, format, args);
	va_end(args);
	if (n < 0 || (size_t)n + 1 >= room)
		return;
	reef_log_error(0, "", line, (size_t)n);
	line[n] = '\n';
	words->size += (size_t)n + 1;
}

static bool can_write(int fd) {
	struct pollfd p = {.fd = fd, .events = POLLOUT};
	return poll(&p, 1, 0) == 1 && p.revents & POLLOUT;
}

/* Waits for the log service to have taken all its lines. */
static bool log_is_written(uint64_t deadline) {
	for (;;) {
		struct reef_service *service = reef_handle_find(reef_log_service());
		if (service == NULL)
			return false;
		if (atomic_load(&service->inbox) == REEF_INBOX_IDLE)
			return true;
		if (reef_now_ns() >= deadline)
			return false;
		struct timespec pause = {.tv_nsec = 1000000};
		nanosleep(&pause, NULL);
	}
}

bool reef_end_at_once(uint32_t self) {
	bool in_hook = reef_end_has_begun();
	bool left_out = check_hooks_but(in_hook ? self : 0);
	/* A log service in Lua has as long as it would have at an orderly end; not if it is the one that exits. */
	if (self != reef_log_service())
		log_is_written(reef_now_ns() + timeout_ns());
	reef_log_writer_finish(reef_now_ns() + SECOND_NS);
	reef_daemon_end();
	return left_out;
}

/* Returns how many it named. */
static size_t name_who_is_stuck(struct words *words) {
	size_t named = 0;
	for (int i = 0; i < reef_scheduler_all_workers(); i++) {
		struct reef_worker *worker = reef_scheduler_worker(i);
		const struct reef_service *service = atomic_load(&worker->running);
		const char *what = atomic_load(&worker->releasing) ? "is still closing its VM" : "is still in a message";
		if (service == NULL || service->handle == reef_log_service())
			continue;
		named++;
		say(words, "shutdown: :%08x (%s) did not end in time: it %s, and is cut off", service->handle,
			service->description, what);
	}
	return named;
}

static size_t services_left(void) {
	size_t kept = reef_log_service() != 0, count = reef_service_count();
	return count > kept ? count - kept : 0;
}

/* Neither locks that others may hold for long nor streams that nobody drains are waited for. */
static _Noreturn void cut_off(bool threads_stop, double seconds) {
	struct words words = {.size = 0};
	reef_end_set_exit_code(REEF_EXIT_CUT);
	reef_epoch_enter();
	bool logged = false;
	size_t left = services_left(), named = threads_stop ? left : name_who_is_stuck(&words);
	if (threads_stop || left + named == 0) /* the last service may end just now */
		say(&words, "shutdown: sockets, threads or the log did not end in time, and are cut off");
	/* They have ended too, but no worker got to them: others hold all of them, or the machine. */
	if (left > named)
		say(&words, "shutdown: %zu services did not end in time: they wait for a worker, and are cut off",
			left - named);
	if (atomic_load(&hooks_cut) > 0)
		say(&words, "shutdown: the shutdown hooks of %d services did not run to their end", atomic_load(&hooks_cut));
	say(&words, "shutdown: the process is ended %.1f s after its end began, %zu of its services left", seconds, left);
	if (!threads_stop) {
		const char *log = reef_env_get("logger");
		logged = log_is_written(reef_now_ns() + LINES_NS) && (log == NULL || strcmp(log, "/dev/null") != 0);
	}
	reef_log_writer_finish(reef_now_ns() + LINES_NS);
	struct reef_log_numbers numbers = reef_log_writer_numbers();
	logged = logged && numbers.waiting == 0 && !numbers.failing;
	if (!logged && can_write(STDERR_FILENO) && write(STDERR_FILENO, words.text, words.size) < 0)
		logged = true;
	if (ftrylockfile(stdout) == 0 && can_write(STDOUT_FILENO))
		fflush(stdout);
	reef_daemon_end();
	_exit(reef_end_exit_code());
}

static void *cutter(void *p) {
	(void)p;
	prctl(PR_SET_NAME, "end");
	/* What a thread needs memory for at its first time, later there may be none. */
	reef_epoch_enter();
	reef_epoch_leave();
	pthread_mutex_lock(&lock);
	while (!over) {
		if (began == 0) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		uint64_t now = reef_now_ns();
		if (now >= cut_at) {
			bool threads_stop = stopping;
			pthread_mutex_unlock(&lock);
			cut_off(threads_stop, (double)(now - began) / (double)SECOND_NS);
		}
		struct timespec until = {.tv_sec = (time_t)(cut_at / SECOND_NS), .tv_nsec = (long)(cut_at % SECOND_NS)};
		pthread_cond_timedwait(&changed, &lock, &until);
	}
	pthread_mutex_unlock(&lock);
	return NULL;
}

static pthread_t thread;

void reef_end_init(void) {
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attributes);
	pthread_condattr_destroy(&attributes);
	int error = pthread_create(&thread, NULL, cutter, NULL);
	if (error != 0) {
		fprintf(stderr, "reef: cannot start the thread that ends the process: %s\n", strerror(error));
		exit(REEF_EXIT_FAILED);
	}
}

void reef_end_over(void) {
	pthread_mutex_lock(&lock);
	over = true;
	pthread_cond_broadcast(&changed);
	pthread_mutex_unlock(&lock);
	pthread_join(thread, NULL);
}
