/* Start and end of the process.
 *
 * The main thread sets everything up, launches the logger and the bootstrap service, starts the workers and waits until
 * the last service but the logger has ended (end.c). Then sockets may still send what waits (on_stop hooks), the logger
 * writes what is left, and the workers are stopped.
 */
#include "runtime.h"

#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "alloc.h"
#include "await.h"
#include "clean.h"
#include "clock.h"
#include "cservice.h"
#include "cycles.h"
#include "daemon.h"
#include "end.h"
#include "env.h"
#include "epoch.h"
#include "global.h"
#include "handle.h"
#include "log.h"
#include "logger.h"
#include "module.h"
#include "name.h"
#include "notify.h"
#include "poller.h"
#include "scheduler.h"
#include "send.h"
#include "service_life.h"
#include "service_log.h"
#include "service_private.h"
#include "signals.h"
#include "sim.h"
#include "sim_run.h"
#include "timer.h"
#include "workers.h"

#define MAX_HOOKS 8
#define LOGGER_GRACE_NS UINT64_C(1000000000) /* to write what is left */

static void (*stop_hooks[MAX_HOOKS])(uint64_t deadline_ns);
static void (*hangup_hooks[MAX_HOOKS])(void);
static int stop_hook_count, hangup_hook_count;
static uint32_t bootstrap; /* set before any worker runs it */

void reef_runtime_on_stop(void (*hook)(uint64_t deadline_ns)) {
	stop_hooks[stop_hook_count++] = hook;
}

void reef_runtime_on_hangup(void (*hook)(void)) {
	hangup_hooks[hangup_hook_count++] = hook;
}

static void hang_up(void) {
	reef_send_copy(0, reef_log_service(), REEF_PTYPE_SYSTEM, 0, NULL, 0);
	for (int i = 0; i < hangup_hook_count; i++)
		hangup_hooks[i]();
}

/* ---- start ---- */

static bool has_work(void) {
	return reef_scheduler_has_work() || reef_scheduler_stopping();
}

static const struct reef_poller_work work = {
		.expire = reef_timer_expire, .next = reef_timer_next, .has_work = has_work};

static bool send_log_line(uint32_t source, uint32_t service, const char *text, size_t size) {
	return reef_send_copy(source, service, REEF_PTYPE_TEXT, 0, text, size);
}

static bool start_logger(void) {
	const char *module = reef_env_get("logservice"), *args = reef_env_get("logger");
	char text[512];
	if (strcmp(module, "snlua") == 0) {
		snprintf(text, sizeof text, "%s", args ? args : "logger");
		args = text;
	}
	reef_log_set_namer(reef_service_log_name);
	uint32_t handle = reef_service_launch(module, args ? args : "");
	if (handle == 0) {
		fprintf(stderr, "reef: cannot start the log service %s\n", module);
		return false;
	}
	reef_log_set_service(handle, send_log_line);
	return reef_name_add("logger", handle);
}

/* The process has started when the bootstrap service has nothing left to do; not if it has failed, or was told to end. */
static void bootstrap_ended(uint32_t handle) {
	if (handle == bootstrap && !reef_end_has_begun() && reef_end_exit_code() == 0) {
		reef_daemon_started();
		reef_sim_started();
		reef_notify("READY=1");
	}
}

/* The first line: what runs here, and within which limits. */
static void tell_start(void) {
	const char *config = reef_env_get("reef_config");
	struct rlimit files;
	char limit[32] = "any number of";
	if (config == NULL)
		return;
	if (getrlimit(RLIMIT_NOFILE, &files) == 0 && files.rlim_cur != RLIM_INFINITY)
		snprintf(limit, sizeof limit, "%llu", (unsigned long long)files.rlim_cur);
	reef_log(0, "reef %s starts: pid %d, configuration %s, %s workers, %s open files at most", REEF_VERSION,
			 reef_sim_on ? 1 : getpid(), config, reef_env_get("thread"), limit);
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
	/* A service that is replayed has the handle that it had. */
	if (reef_env_int("reef_first_handle", 0) > 0)
		reef_handle_set_next((uint32_t)reef_env_int("reef_first_handle", 0));
	bootstrap = reef_service_launch(module, line + strspn(line, " "));
	if (bootstrap == 0)
		reef_clean_complain("Bootstrap error : cannot launch %s, which the key bootstrap names",
							reef_env_get("bootstrap"));
	return bootstrap != 0;
}

/* ---- end ---- */

/* The logger writes the last lines: it has done so when it rests. */
static void end_logger(void) {
	uint64_t deadline = reef_now_ns() + LOGGER_GRACE_NS;
	for (;;) {
		reef_epoch_enter();
		struct reef_service *service = reef_handle_find(reef_log_service());
		bool writing = service && atomic_load(&service->inbox) != REEF_INBOX_IDLE && reef_now_ns() < deadline;
		if (!writing)
			reef_service_kill(reef_log_service());
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

int reef_runtime_run(void (*const *setups)(void)) {
	reef_cycles_calibrate();
	reef_clock_init();
	reef_timer_init();
	reef_poller_init(&work);
	if (!reef_sim_on && !reef_signals_catch()) {
		fprintf(stderr, "reef: cannot catch signals: %s\n", strerror(errno));
		return REEF_EXIT_FAILED;
	}
	if (!reef_sim_on) {
		reef_end_init();
		reef_alloc_start_giving_back();
	}
	reef_service_on_last_end(reef_end_finished);
	reef_service_on_end(bootstrap_ended);
	reef_module_set_loader(reef_cservice_load);
	reef_module_register(&reef_logger_module);
	for (void (*const *setup)(void) = setups; *setup; setup++)
		(*setup)();

	const char *levels = reef_env_get("log_level");
	if (levels)
		reef_log_threshold_read(levels, false);
	reef_epoch_enter();
	bool started = start_logger();
	if (started) {
		tell_start();
		started = start_bootstrap();
	}
	reef_epoch_leave();
	if (!started) {
		reef_end_over();
		return REEF_EXIT_FAILED;
	}
	if (reef_sim_on)
		reef_sim_run();
	reef_workers_start((int)reef_env_int("thread", 1));
	uint64_t deadline = reef_end_wait(hang_up);
	reef_epoch_enter();
	for (int i = 0; i < stop_hook_count; i++)
		stop_hooks[i](deadline);
	reef_epoch_leave();
	reef_await_stop(deadline);
	reef_epoch_enter();
	reef_end_tell();
	reef_epoch_leave();
	end_logger();
	reef_end_stopping();
	reef_workers_stop();
	reclaim_all();
	reef_global_fini();
	reef_timer_fini();
	reef_poller_fini();
	reef_end_over();
	return reef_end_exit_code();
}
