/* Interruption of a VM in an endless loop: by a signal to the thread that runs it, whose handler makes it raise. So no
 * other thread ever touches the VM. Who is to end cannot go on by catching that error: it is raised again and again. */
#include "interrupt.h"
#include "core/service.h"

#include <signal.h>
#include <stddef.h>

#include <lauxlib.h>

#include "host_private.h"

/* The host that this thread runs is the one whose holder is set. */
static struct reef_host *current(void) {
	return reef_seam_holder ? (struct reef_host *)((char *)reef_seam_holder - offsetof(struct reef_host, holder))
							: NULL;
}

void reef_interrupt_enter(struct reef_host *host) {
	if (reef_seam_holder == &host->holder) {
		host->entered_again++;
		return;
	}
	host->outer = reef_seam_holder;
	reef_seam_holder = &host->holder;
	__atomic_store_n(&host->thread, pthread_self(), __ATOMIC_RELAXED);
}

void reef_interrupt_leave(struct reef_host *host) {
	if (host->entered_again > 0) {
		host->entered_again--;
		return;
	}
	__atomic_store_n(&host->thread, 0, __ATOMIC_RELAXED);
	reef_seam_holder = host->outer;
}

static void interrupted(lua_State *L, lua_Debug *ar) {
	(void)ar;
	lua_sethook(L, NULL, 0, 0);
	luaL_error(L, "signal 0");
}

static void on_interrupt(int signal) {
	(void)signal;
	struct reef_host *host = current();
	if (!host || !__atomic_exchange_n(&host->interrupt, 0, __ATOMIC_RELAXED))
		return;
	bool (*interrupt)(bool for_good) = reef_host_hooks()->interrupt;
	if (interrupt)
		interrupt(reef_service_ending(host->service));
	else if (host->active)
		lua_sethook(host->active, interrupted, LUA_MASKCOUNT, 1);
}

void reef_interrupt_send(struct reef_host *host) {
	pthread_t thread = __atomic_load_n(&host->thread, __ATOMIC_RELAXED);
	if (!thread)
		return;
	__atomic_store_n(&host->interrupt, 1, __ATOMIC_RELAXED);
	pthread_kill(thread, SIGURG);
}

void reef_interrupt_setup(void) {
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
	sigaction(SIGURG, &action, NULL);
}
