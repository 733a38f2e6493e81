/* See limit.h. The signal comes in the middle of anything. So its handler only asks for a look at the stack, which comes
 * between two instructions of Lua; when none is run just then, it comes again. */
#include "limit.h"

#include <signal.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/time.h>

#include <lua.h>

#include "core/service.h"
#include "core/sim.h"
#include "core/slice.h"
#include "sharetable/overlay/interrupt.h"

#define LEVELS 10
#define AGAIN_US 10000
#define TIMES 200

static unsigned limit;

/* Allocates nothing in the VM and raises nothing. */
static void limit_look(lua_State *L, bool left) {
	char why[sizeof((struct reef_sim_result *)0)->why];
	struct reef_service_look service;
	const struct reef_service *running = reef_slice_service();
	uint32_t handle = running ? reef_service_handle(running) : 0;
	(void)left;
	int n = snprintf(why, sizeof why,
					 "it did not end within %u s of real time (--limit), in which it has come to %.6f s of its own; "
					 ":%08x %s runs",
					 limit, (double)reef_sim_elapsed() / 1e9, handle,
					 handle && reef_service_look(handle, &service) ? service.description : "");
	lua_Debug at;
	for (int level = 0; level < LEVELS && n < (int)sizeof why && lua_getstack(L, level, &at); level++) {
		lua_getinfo(L, "nSl", &at);
		char line[16] = "";
		if (at.currentline > 0)
			snprintf(line, sizeof line, ":%d", at.currentline);
		n += snprintf(why + n, sizeof why - (size_t)n, "\n\t%s%s: in %s", at.short_src, line,
					  at.name ? at.name : at.what);
	}
	reef_sim_end(REEF_SIM_FAILED, why);
}

static void on_limit(int signal) {
	static int times;
	struct reef_interrupt_seen seen;
	reef_interrupt_set_look(limit_look);
	reef_interrupt_ask(&seen);
	if (++times == TIMES) {
		struct sigaction end = {.sa_handler = SIG_DFL};
		sigaction(signal, &end, NULL);
	}
}

void reef_sim_limit(unsigned seconds) {
	const struct sigaction action = {.sa_handler = on_limit, .sa_flags = SA_RESTART};
	const struct itimerval timer = {.it_value = {.tv_sec = (time_t)seconds}, .it_interval = {.tv_usec = AGAIN_US}};
	limit = seconds;
	sigaction(SIGALRM, &action, NULL);
	setitimer(ITIMER_REAL, &timer, NULL);
}
