/* The module `snlua`: the life of a Lua VM.
 *
 * Launching is cheap: it makes the struct and sends a message to the new service, which boots the VM when it handles
 * that (on a worker of its own, not within the launcher's call). The end answers whatever is owed, tells those that were
 * being asked, closes coroutines with their <close> variables, and then the VM.
 *
 * Each host belongs to its service; its struct is freed together with that, since reef_allocator_bytes and signals may
 * look at it from other threads. */
#include "snlua.h"
#include "core/send.h"
#include "core/service.h"

#include <stdlib.h>

#include <lua.h>

#include "boot.h"
#include "collector.h"
#include "core/alloc.h"
#include "core/log.h"
#include "dispatch.h"
#include "host_private.h"
#include "interrupt.h"
#include "lookahead.h"
#include "protocol.h"
#include "reply.h"
#include "report.h"
#include "response.h"
#include "seam.h"
#include "session.h"
#include "task.h"
#include "task_pool.h"

/* The second message makes the start function run. */
static void snlua_second_message(struct reef_service *service, void *ud, struct reef_message *m) {
	struct reef_host *host = ud;
	if (!reef_host_seam_of(host))
		reef_service_set_callback(service, reef_dispatch_callback, host);
	reef_dispatch_callback(service, host, m);
	if (host->L && !host->exiting && !host->collector_chosen) {
		reef_interrupt_enter(host);
		reef_collector_settle(host->L);
		reef_report_flush(host, NULL);
		reef_interrupt_leave(host);
	}
}

/* ---- with a seam ---- */

static struct reef_host_seam *(*make_seam)(struct reef_host *host, const char *arguments);

void reef_host_set_seams(struct reef_host_seam *(*make)(struct reef_host *host, const char *arguments)) {
	make_seam = make;
}

void reef_host_seam_enter(struct reef_host *host) {
	reef_interrupt_enter(host);
}

void reef_host_seam_leave(struct reef_host *host) {
	reef_interrupt_leave(host);
}

void reef_host_seam_deliver(struct reef_host *host, struct reef_message *m) {
	bool first = !reef_host_seam_of(host)->started;
	reef_host_seam_of(host)->started = true;
	(first ? snlua_second_message : reef_dispatch_callback)(host->service, host, m);
}

void reef_host_seam_turn(struct reef_host *host) {
	reef_task_turn(host);
	reef_report_flush(host, NULL);
}

static void snlua_seam_message(struct reef_service *service, void *ud, struct reef_message *m) {
	struct reef_host *host = ud;
	(void)service;
	reef_interrupt_enter(host);
	if (reef_host_seam_of(host)->message(reef_host_seam_of(host), m))
		reef_host_seam_deliver(host, m);
	reef_interrupt_leave(host);
}

static void snlua_seam_turn_end(struct reef_service *service, void *ud) {
	(void)service;
	struct reef_host *host = ud;
	reef_host_seam_of(host)->turn(reef_host_seam_of(host));
	reef_host_seam_turn(host);
}

static void snlua_seam_boot(struct reef_service *service, void *ud, struct reef_message *m) {
	struct reef_host *host = ud;
	(void)m;
	reef_service_set_callback(service, snlua_seam_message, host);
	reef_service_set_turn_end(service, snlua_seam_turn_end);
	reef_interrupt_enter(host);
	reef_boot(host);
	reef_host_seam_turn(host);
	reef_host_seam_of(host)->booted(reef_host_seam_of(host));
	reef_interrupt_leave(host);
}

/* ---- the beginning ---- */

static void snlua_first_message(struct reef_service *service, void *ud, struct reef_message *m) {
	struct reef_host *host = ud;
	reef_service_set_callback(service, snlua_second_message, host);
	reef_interrupt_enter(host);
	reef_boot(host);
	reef_task_turn(host);
	reef_report_flush(host, m);
	reef_interrupt_leave(host);
}

static void snlua_turn_end(struct reef_service *service, void *ud) {
	(void)service;
	struct reef_host *host = ud;
	reef_task_turn(host);
	reef_report_flush(host, NULL);
}

static void snlua_enter(struct reef_service *service) {
	reef_interrupt_enter(reef_service_instance(service));
}

static void snlua_leave(struct reef_service *service) {
	reef_interrupt_leave(reef_service_instance(service));
}

static int snlua_init(struct reef_service *service, const char *args) {
	struct reef_host *host = reef_host_new(service);
	host->args = reef_strdup(args);
	reef_service_set_instance(service, host);
	struct reef_host_seam *seam = make_seam ? make_seam(host, args) : NULL;
	host->holder.seam = seam ? &seam->seam : NULL;
	reef_service_set_callback(service, seam ? snlua_seam_boot : snlua_first_message, host);
	reef_service_set_turn_end(service, snlua_turn_end);
	reef_send(host->handle, reef_message_wrap(NULL, 0));
	return 0;
}

static void snlua_signal(struct reef_service *service, int n) {
	struct reef_host *host = reef_service_instance(service);
	if (n == 1) {
		size_t memory = __atomic_load_n(&host->memory, __ATOMIC_RELAXED);
		reef_log(host->handle, "Current Memory %.3fK", (double)memory / 1024);
		return;
	}
	if (n == 0)
		reef_interrupt_send(host);
}

/* ---- end ---- */

static int asked_compare(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return x < y ? -1 : x > y;
}

/* Those whose replies nobody waits for any more hear, once each, that this service is down. */
static void tell_asked(struct reef_host *host) {
	const struct reef_sessions *sessions = &host->sessions;
	if (!sessions->count)
		return;
	uint32_t *asked = reef_malloc(sessions->used * sizeof(*asked));
	size_t n = 0;
	for (uint32_t i = 0; i < sessions->used; i++)
		if (sessions->entries[i].kind != SESSION_FREE && sessions->entries[i].dest)
			asked[n++] = sessions->entries[i].dest;
	qsort(asked, n, sizeof(*asked), asked_compare);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || asked[i] != asked[i - 1])
			reef_send_error(host->handle, asked[i], 0, NULL);
	reef_free(asked);
}

static void snlua_release(struct reef_service *service) {
	struct reef_host *host = reef_service_instance(service);
	if (!host)
		return;
	reef_interrupt_enter(host);
	host->exiting = true;
	if (reef_host_seam_of(host))
		reef_host_seam_of(host)->ending(reef_host_seam_of(host));
	if (host->L) {
		reef_task_end_all(host);
		reef_response_fail_all(host);
		tell_asked(host);
		reef_host_end_vm(host);
		/* Finalizers may still have answered some. */
		reef_debts_fail(&host->debts, host->handle);
	}
	reef_report_flush(host, NULL);
	reef_interrupt_leave(host);
	if (reef_host_seam_of(host))
		reef_host_seam_of(host)->ended(reef_host_seam_of(host));
	host->holder.seam = NULL;
	reef_task_pool_free(host);
	reef_session_fini(&host->sessions);
	reef_protocol_fini(host);
	reef_free(host->args);
	reef_free(host->warning);
	reef_service_set_turn_end(service, NULL);
	reef_service_set_callback(service, NULL, NULL);
	reef_free(host->intercept);
	host->intercept = NULL;
}

static void snlua_dispose(struct reef_service *service) {
	reef_free(reef_service_instance(service));
}

static void snlua_down(struct reef_service *service, uint32_t handle) {
	struct reef_host *host = reef_service_instance(service);
	if (host && host->L)
		reef_reply_down(host, handle);
}

const struct reef_module reef_snlua_module = {
		.name = "snlua",
		.init = snlua_init,
		.release = snlua_release,
		.dispose = snlua_dispose,
		.signal = snlua_signal,
		.warm = reef_lookahead_note,
		.down = snlua_down,
		.enter = snlua_enter,
		.leave = snlua_leave,
};
