/* Start and end of the process.
 *
 * The main thread sets everything up, launches the logger and the bootstrap service, starts the workers and waits until
 * the last service but the logger has ended. Then sockets may still send what waits (on_stop hooks), the logger writes
 * what is left, and the workers are stopped.
 */
#include "runtime.h"

#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/signalfd.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "cycles.h"
#include "env.h"
#include "epoch_private.h"
#include "global.h"
#include "host.h"
#include "log.h"
#include "logger.h"
#include "poller.h"
#include "poller_private.h"
#include "rooms.h"
#include "scheduler_private.h"
#include "timer.h"

#define MAX_HOOKS 8
#define SECOND_NS UINT64_C(1000000000)
#define LOGGER_GRACE_NS SECOND_NS    /* to write what is left */
#define TERMINATE_GRACE_NS SECOND_NS /* beyond shutdown_timeout */
#define DEFAULT_SHUTDOWN_CS 500

static _Atomic(uint32_t) logger;
static atomic_int exit_code;
static atomic_int terminations; /* signals that asked for the end */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t changed;
static bool finished;
static uint64_t abort_at; /* when an orderly end that was asked for has taken too long; 0: nobody asked */
static int signal_fd = -1;

static void (*stop_hooks[MAX_HOOKS])(uint64_t deadline_ns);
static void (*end_hooks[MAX_HOOKS])(uint32_t handle);
static void (*hangup_hooks[MAX_HOOKS])(void);
static int stop_hook_count, end_hook_count, hangup_hook_count;

/* ---- what others say and ask ---- */

uint32_t reef_runtime_logger(void) {
	return atomic_load_explicit(&logger, memory_order_relaxed);
}

size_t reef_runtime_kept_services(void) {
	return reef_runtime_logger() != 0 ? 1 : 0;
}

void reef_runtime_set_exit_code(int code) {
	int orderly = 0;
	atomic_compare_exchange_strong(&exit_code, &orderly, code);
}

void reef_runtime_on_stop(void (*hook)(uint64_t deadline_ns)) {
	stop_hooks[stop_hook_count++] = hook;
}

void reef_runtime_on_service_end(void (*hook)(uint32_t handle)) {
	end_hooks[end_hook_count++] = hook;
}

void reef_runtime_on_hangup(void (*hook)(void)) {
	hangup_hooks[hangup_hook_count++] = hook;
}

void reef_runtime_service_ended(uint32_t handle) {
	for (int i = 0; i < end_hook_count; i++)
		end_hooks[i](handle);
}

void reef_runtime_finished(void) {
	pthread_mutex_lock(&lock);
	finished = true;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

static uint64_t shutdown_timeout_ns(void) {
	return (uint64_t)reef_env_int("shutdown_timeout", DEFAULT_SHUTDOWN_CS) * 10000000u;
}

void reef_runtime_terminate(void) {
	if (atomic_fetch_add(&terminations, 1) > 0) {
		reef_abort();
		return;
	}
	uint32_t launcher = reef_name_find("launcher");
	if (launcher == 0 || !reef_send_copy(0, launcher, REEF_PTYPE_SYSTEM, 0, NULL, 0)) {
		reef_abort();
		return;
	}
	pthread_mutex_lock(&lock);
	abort_at = reef_now_ns() + shutdown_timeout_ns() + TERMINATE_GRACE_NS;
	pthread_cond_signal(&changed);
	pthread_mutex_unlock(&lock);
}

/* ---- signals ---- */

static void hang_up(void) {
	reef_send_copy(0, reef_runtime_logger(), REEF_PTYPE_SYSTEM, 0, NULL, 0);
	for (int i = 0; i < hangup_hook_count; i++)
		hangup_hooks[i]();
}

static void on_signal(uint32_t id, uint32_t events) {
	(void)id;
	(void)events;
	struct signalfd_siginfo info;
	while (read(signal_fd, &info, sizeof info) == sizeof info) {
		if (info.ssi_signo == SIGHUP)
			hang_up();
		else
			reef_runtime_terminate();
	}
}

/* Before any thread is started, so that all of them inherit the mask. */
static bool catch_signals(void) {
	signal(SIGPIPE, SIG_IGN);
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_BLOCK, &set, NULL);
	signal_fd = signalfd(-1, &set, SFD_CLOEXEC | SFD_NONBLOCK);
	reef_poller_set_handler(REEF_POLL_SIGNAL, on_signal);
	return signal_fd >= 0 && reef_poller_add(signal_fd, REEF_POLL_SIGNAL, 0, EPOLLIN) == 0;
}

/* ---- start ---- */

static bool start_logger(void) {
	const char *module = reef_env_get("logservice"), *args = reef_env_get("logger");
	char text[512];
	if (strcmp(module, "snlua") == 0) {
		snprintf(text, sizeof text, "%s", args ? args : "logger");
		args = text;
	}
	uint32_t handle = reef_service_launch(module, args ? args : "");
	if (handle == 0) {
		fprintf(stderr, "reef: cannot start the log service %s\n", module);
		return false;
	}
	atomic_store(&logger, handle);
	return reef_name_add("logger", handle);
}

static bool start_bootstrap(void) {
	const char *line = reef_env_get("bootstrap");
	char module[64];
	size_t n = strcspn(line, " ");
	if (n >= sizeof module)
		n = sizeof module - 1;
	memcpy(module, line, n);
	module[n] = '\0';
	line += strcspn(line, " ");
	if (reef_service_launch(module, line + strspn(line, " ")) != 0)
		return true;
	fprintf(stderr, "reef: Bootstrap error : %s\n", reef_env_get("bootstrap"));
	return false;
}

/* ---- end ---- */

static struct timespec as_timespec(uint64_t ns) {
	return (struct timespec){.tv_sec = (time_t)(ns / SECOND_NS), .tv_nsec = (long)(ns % SECOND_NS)};
}

static void wait_for_end(void) {
	pthread_mutex_lock(&lock);
	while (!finished) {
		if (abort_at == 0) {
			pthread_cond_wait(&changed, &lock);
			continue;
		}
		struct timespec until = as_timespec(abort_at);
		if (pthread_cond_timedwait(&changed, &lock, &until) == ETIMEDOUT && !finished) {
			abort_at = 0;
			pthread_mutex_unlock(&lock);
			reef_epoch_enter();
			reef_log(0, "services did not end within shutdown_timeout");
			reef_abort();
			reef_epoch_leave();
			pthread_mutex_lock(&lock);
		}
	}
	pthread_mutex_unlock(&lock);
}

/* The logger writes the last lines: it has done so when it rests. */
static void end_logger(void) {
	uint64_t deadline = reef_now_ns() + LOGGER_GRACE_NS;
	for (;;) {
		reef_epoch_enter();
		struct reef_service *service = reef_service_find(reef_runtime_logger());
		bool writing = service && atomic_load(&service->inbox) != REEF_INBOX_IDLE && reef_now_ns() < deadline;
		if (!writing)
			reef_service_kill(reef_runtime_logger());
		reef_epoch_leave();
		if (!writing)
			break;
		struct timespec pause = {.tv_nsec = 200000};
		nanosleep(&pause, NULL);
	}
	while (reef_service_count() > 0 && reef_now_ns() < deadline) {
		struct timespec pause = {.tv_nsec = 100000};
		nanosleep(&pause, NULL);
	}
}

static void reclaim_all(void) {
	reef_epoch_enter();
	while (reef_epoch_pending() > 0) {
		reef_epoch_quiescent();
		reef_epoch_reclaim();
	}
	reef_epoch_leave();
}

int reef_runtime_run(void) {
	pthread_condattr_t attributes;
	pthread_condattr_init(&attributes);
	pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC);
	pthread_cond_init(&changed, &attributes);
	pthread_condattr_destroy(&attributes);

	reef_cycles_calibrate();
	reef_timer_init();
	reef_poller_init();
	if (!catch_signals()) {
		fprintf(stderr, "reef: cannot catch signals: %s\n", strerror(errno));
		return 1;
	}
	reef_alloc_start_giving_back();
	reef_module_register(&reef_logger_module);
	reef_host_setup();
	for (void (*const *setup)(void) = reef_rooms; *setup; setup++)
		(*setup)();

	reef_epoch_enter();
	bool started = start_logger() && start_bootstrap();
	reef_epoch_leave();
	if (!started)
		return 1;
	reef_scheduler_start((int)reef_env_int("thread", 1));
	wait_for_end();

	uint64_t deadline = reef_now_ns() + shutdown_timeout_ns();
	reef_epoch_enter();
	for (int i = 0; i < stop_hook_count; i++)
		stop_hooks[i](deadline);
	reef_epoch_leave();
	end_logger();
	reef_scheduler_stop();
	reclaim_all();
	reef_global_fini();
	reef_timer_fini();
	close(signal_fd);
	reef_poller_fini();
	return atomic_load(&exit_code);
}
