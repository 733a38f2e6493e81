/* The module `snlua`: the life of a Lua VM.
 *
 * Launching is cheap: it makes the struct and sends a message to the new service, which boots the VM when it handles
 * that (on a worker of its own, not within the launcher's call). The end answers whatever is owed, tells those that were
 * being asked, closes coroutines with their <close> variables, and then the VM.
 *
 * A VM in an endless loop is interrupted by a signal to the thread that runs it, whose handler makes it raise. So no other
 * thread ever touches the VM. Who is to end cannot go on by catching that error: it is raised again and again.
 *
 * Each host belongs to its service; its struct is freed by the reclaimer, since reef_host_bytes and signals may look at
 * it from other threads. */
#include "host_private.h"
#include "lookahead.h"

#include <lauxlib.h>
#include <lualib.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/end.h"
#include "core/env.h"
#include "core/epoch.h"
#include "core/handle.h"
#include "core/log.h"
#include "core/mailbox.h"
#include "core/module.h"
#include "core/name.h"
#include "core/send.h"
#include "core/service.h"
#include "core/service_life.h"
#include "core/timer.h"
#include "debugchannel.h"
#include "functions.h"
#include "load_private.h"
#include "lua_text.h"
#include "memory.h"
#include "services.h"

#include "lgc.h"
#include "lstate.h"

#define FIRST_MEMORY_REPORT ((size_t)32 << 20)
#define BOOT_ALLOWANCE (48 * 1024) /* bytes that loading may allocate before the first collection */

static struct reef_host_hooks hooks;

/* ---- memory ---- */

static void report_memory(struct reef_host *host, size_t memory) {
	while (memory > host->memory_report)
		host->memory_report *= 2;
	reef_log(host->handle, "Memory warning %.2f M", (double)memory / (1 << 20));
}

/* The collector may run a finalizer of the user's wherever something is allocated. */
static bool in_finalizer(const struct reef_host *host) {
	return host->L && G(host->L)->gcstp & GCSTPGC;
}

static void *allocate(void *ud, void *p, size_t old_size, size_t new_size) {
	struct reef_host *host = ud;
	if (!p)
		old_size = 0;
	size_t memory = host->memory + new_size - old_size;
	if (new_size == 0) {
		if (p) {
			__atomic_store_n(&host->memory, memory, __ATOMIC_RELAXED);
			reef_free_sized(p, old_size);
		}
		return NULL;
	}
	if (host->memory_limit && memory > host->memory_limit && new_size > old_size &&
		(!host->no_limit || in_finalizer(host)))
		return NULL;
	void *q = p ? reef_try_realloc(p, new_size) : reef_try_malloc(new_size);
	if (!q)
		return NULL;
	__atomic_store_n(&host->memory, memory, __ATOMIC_RELAXED);
	if (memory > host->memory_report)
		report_memory(host, memory);
	return q;
}

size_t reef_host_bytes(uint32_t handle) {
	const struct reef_service *service = reef_handle_find(handle);
	if (!service || reef_service_module(service) != &reef_snlua_module)
		return 0;
	const struct reef_host *host = reef_service_instance(service);
	return host ? __atomic_load_n(&host->memory, __ATOMIC_RELAXED) : 0;
}

/* ---- interruption ---- */

static _Thread_local struct reef_host *current;

void reef_host_enter(struct reef_host *host) {
	host->outer = current;
	current = host;
	__atomic_store_n(&host->thread, pthread_self(), __ATOMIC_RELAXED);
}

void reef_host_leave(struct reef_host *host) {
	__atomic_store_n(&host->thread, 0, __ATOMIC_RELAXED);
	current = host->outer;
}

static void interrupted(lua_State *L, lua_Debug *ar) {
	(void)ar;
	lua_sethook(L, NULL, 0, 0);
	luaL_error(L, "signal 0");
}

static void on_interrupt(int signal) {
	(void)signal;
	struct reef_host *host = current;
	if (!host || !__atomic_exchange_n(&host->interrupt, 0, __ATOMIC_RELAXED))
		return;
	if (hooks.interrupt)
		hooks.interrupt(reef_service_ending(host->service));
	else if (host->active)
		lua_sethook(host->active, interrupted, LUA_MASKCOUNT, 1);
}

static void snlua_signal(struct reef_service *service, int n) {
	struct reef_host *host = reef_service_instance(service);
	if (n == 1) {
		size_t memory = __atomic_load_n(&host->memory, __ATOMIC_RELAXED);
		reef_log(host->handle, "Current Memory %.3fK", (double)memory / 1024);
		return;
	}
	pthread_t thread = __atomic_load_n(&host->thread, __ATOMIC_RELAXED);
	if (n != 0 || !thread)
		return;
	__atomic_store_n(&host->interrupt, 1, __ATOMIC_RELAXED);
	pthread_kill(thread, SIGURG);
}

static void catch_interrupts(void) {
	struct sigaction action = {.sa_handler = on_interrupt, .sa_flags = SA_RESTART};
	sigaction(SIGURG, &action, NULL);
}

/* ---- boot ---- */

/* Warnings come in pieces; errors of finalizers are among them. `@off` and `@on` are for this function. */
static void on_warning(void *ud, const char *text, int to_be_continued) {
	struct reef_host *host = ud;
	if (!host->warning && !to_be_continued && text[0] == '@') {
		if (strcmp(text, "@off") == 0)
			host->no_warnings = true;
		else if (strcmp(text, "@on") == 0)
			host->no_warnings = false;
		return;
	}
	size_t old = host->warning ? strlen(host->warning) : 0, size = strlen(text);
	char *warning = reef_try_realloc(host->warning, old + size + 1);
	if (warning == NULL) {
		reef_log(host->handle, "Lua warning: %s", text);
		return;
	}
	host->warning = warning;
	memcpy(host->warning + old, text, size + 1);
	if (to_be_continued)
		return;
	if (!host->no_warnings)
		reef_log(host->handle, "Lua warning: %s", host->warning);
	reef_free(host->warning);
	host->warning = NULL;
}

static int with_traceback(lua_State *L) {
	luaL_traceback(L, L, luaL_tolstring(L, 1, NULL), 1);
	return 1;
}

static lua_CFunction stock_collectgarbage; /* the same in every VM */

/* Who sets the collector's mode while the service starts keeps it. */
static int f_collectgarbage(lua_State *L) {
	const char *option = luaL_optstring(L, 1, "collect");
	if (strcmp(option, "incremental") == 0 || strcmp(option, "generational") == 0)
		reef_host_get(L)->collector_chosen = true;
	return __atomic_load_n(&stock_collectgarbage, __ATOMIC_RELAXED)(L);
}

static int open_all(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	(hooks.open_libraries ? hooks.open_libraries : luaL_openlibs)(L);
	lua_getglobal(L, "collectgarbage");
	__atomic_store_n(&stock_collectgarbage, lua_tocfunction(L, -1), __ATOMIC_RELAXED);
	lua_pushcfunction(L, f_collectgarbage);
	lua_setglobal(L, "collectgarbage");
	lua_getglobal(L, "os");
	lua_pushcfunction(L, reef_os_execute);
	lua_setfield(L, -2, "execute");
	lua_getglobal(L, "coroutine");
	reef_coroutine_open(L);
	reef_load_open(L);
	lua_newtable(L);
	host->functions = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static void register_protocols(struct reef_host *host) {
	static const struct {
		const char *name;
		int id;
	} known[] = {{"lua", REEF_PTYPE_LUA},
				 {"response", REEF_PTYPE_RESPONSE},
				 {"error", REEF_PTYPE_ERROR},
				 {"debug", REEF_PTYPE_DEBUG}};
	for (size_t i = 0; i < sizeof(known) / sizeof(*known); i++) {
		struct reef_protocol *protocol = reef_protocol_add(host, known[i].name, known[i].id);
		protocol->packs = protocol->unpacks = known[i].id == REEF_PTYPE_ERROR ? CODEC_STRING : CODEC_LUA;
	}
}

/* Ends a service that has not begun. The launcher learns how: "ERROR reason", or "EXIT" where nothing went wrong. */
static void end_boot(struct reef_host *host, const char *report) {
	uint32_t launcher = reef_name_find("launcher");
	if (launcher && !reef_send_copy(host->handle, launcher, REEF_PTYPE_TEXT, 0, report, strlen(report))) {
		/* It must hear of it: rather without the reason than not at all. */
		struct reef_message *m = reef_message_new(5);
		memcpy(m->data, "ERROR", 5);
		m->source = host->handle;
		m->type = REEF_PTYPE_TEXT;
		m->session = 0;
		reef_send(launcher, m);
	}
	reef_service_kill(host->handle);
}

/* Without a launcher this is the bootstrap service, and the process has failed. */
static void refuse_boot(struct reef_host *host, const char *text) {
	reef_log(host->handle, "%s", text);
	const char *end = strstr(text, "\nstack traceback:");
	size_t size = end ? (size_t)(end - text) : strlen(text);
	char shorter[64], *report = reef_try_malloc(size + 7);
	if (report == NULL) {
		report = shorter;
		size = size < sizeof(shorter) - 7 ? size : sizeof(shorter) - 7;
	}
	memcpy(report, "ERROR ", 6);
	memcpy(report + 6, text, size);
	report[size + 6] = 0;
	if (!reef_name_find("launcher"))
		reef_end_failed();
	end_boot(host, report);
	if (report != shorter)
		reef_free(report);
}

/* What the config says for services that do not say it themselves. Our own are not limited: what they are sent must not
 * be lost. */
static void limit_mailbox(struct reef_host *host) {
	lua_Integer messages = reef_env_int("mailbox_messages", 0), bytes = reef_env_int("mailbox_bytes", 0);
	if (messages > 0 || bytes > 0)
		reef_mailbox_set_limit(host->service, messages > 0 ? (uint64_t)messages : 0, bytes > 0 ? (uint64_t)bytes : 0);
}

static int run_loader(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	if (!reef_load_is_own_service(host->args))
		limit_mailbox(host);
	return reef_load_run_loader(L, host->args);
}

/* Is there anything that can run, and tell the launcher that the service is ready? */
static bool has_begun(const struct reef_host *host) {
	return host->sessions.count > 0 || host->forks.head || host->raw_callback;
}

/* An error where nobody can be told: memory is gone while a message is handed to a coroutine. */
static int on_panic(lua_State *L) {
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "unknown error";
	fprintf(stderr, "reef: service :%08x: %s\n", reef_host_get(L)->handle, text);
	_exit(REEF_EXIT_NO_MEMORY);
}

static void boot(struct reef_host *host) {
	lua_State *L = lua_newstate(allocate, host);
	if (!L) {
		refuse_boot(host, "not enough memory for a VM");
		return;
	}
	lua_atpanic(L, on_panic);
	reef_task_set_header(L, &host->none);
	host->L = L;
	host->active = L;
	lua_setwarnf(L, on_warning, host);
	register_protocols(host);
	lua_gc(L, LUA_GCSTOP);
	lua_pushcfunction(L, with_traceback);
	lua_pushcfunction(L, open_all);
	int status = lua_pcall(L, 0, 0, 1);
	if (status == LUA_OK) {
		lua_gc(L, LUA_GCRESTART);
		luaE_setdebt(G(L), -BOOT_ALLOWANCE);
		if (hooks.opened)
			hooks.opened(L);
		lua_pushcfunction(L, run_loader);
		status = lua_pcall(L, 0, 0, 1);
	}
	host->booted = true;
	reef_free(host->args);
	host->args = NULL;
	if (status != LUA_OK && !host->exiting)
		refuse_boot(host, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "error in error handling");
	else if (!host->exiting && !has_begun(host))
		end_boot(host, "EXIT");
	lua_settop(L, 0);
	host->active = NULL;
}

/* The second message makes the start function run. What loading has left behind is collected then, once, by going over to
 * the generational mode; a small service that waits afterwards holds nothing that it does not need. */
static void on_second_message(struct reef_service *service, void *ud, struct reef_message *m) {
	struct reef_host *host = ud;
	reef_service_set_callback(service, reef_host_callback, host);
	reef_host_callback(service, host, m);
	if (host->L && !host->exiting && !host->collector_chosen) {
		reef_host_enter(host);
		lua_gc(host->L, LUA_GCGEN, 0, 0);
		reef_host_flush_errors(host, NULL);
		reef_host_leave(host);
	}
}

static void on_first_message(struct reef_service *service, void *ud, struct reef_message *m) {
	struct reef_host *host = ud;
	reef_service_set_callback(service, on_second_message, host);
	reef_host_enter(host);
	boot(host);
	reef_task_turn(host);
	reef_host_flush_errors(host, m);
	reef_host_leave(host);
}

static void on_turn_end(struct reef_service *service, void *ud) {
	(void)service;
	struct reef_host *host = ud;
	reef_host_enter(host);
	reef_task_turn(host);
	reef_host_flush_errors(host, NULL);
	reef_host_leave(host);
}

static int snlua_init(struct reef_service *service, const char *args) {
	struct reef_host *host = reef_calloc(1, sizeof(*host));
	host->service = service;
	host->handle = reef_service_handle(service);
	host->args = reef_strdup(args);
	host->memory_report = FIRST_MEMORY_REPORT;
	struct reef_task *headers[] = {&host->none, &host->blocked, &host->gone};
	for (int i = 0; i < 3; i++) {
		headers[i]->host = host;
		headers[i]->state = TASK_NONE;
	}
	reef_service_set_instance(service, host);
	reef_service_set_callback(service, on_first_message, host);
	reef_service_set_turn_end(service, on_turn_end);
	reef_send(host->handle, reef_message_wrap(NULL, 0));
	return 0;
}

/* ---- end ---- */

static int compare_handles(const void *a, const void *b) {
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
	qsort(asked, n, sizeof(*asked), compare_handles);
	for (size_t i = 0; i < n; i++)
		if (i == 0 || asked[i] != asked[i - 1])
			reef_send_error(host->handle, asked[i], 0, NULL);
	reef_free(asked);
}

static void snlua_release(struct reef_service *service) {
	struct reef_host *host = reef_service_instance(service);
	if (!host)
		return;
	reef_host_enter(host);
	host->exiting = true;
	if (host->L) {
		reef_tasks_fini(host);
		reef_responses_fail(host);
		tell_asked(host);
		if (hooks.close_state)
			hooks.close_state(host->L);
		else
			lua_close(host->L);
		/* Finalizers may still have answered some. */
		reef_debts_fail(&host->debts, host->handle);
	}
	reef_host_leave(host);
	reef_host_flush_errors(host, NULL);
	reef_tasks_free(host);
	reef_sessions_fini(&host->sessions);
	reef_protocols_fini(host);
	reef_free(host->args);
	reef_free(host->warning);
	reef_service_set_turn_end(service, NULL);
	reef_service_set_callback(service, NULL, NULL);
	reef_epoch_retire(host, reef_free);
}

static void snlua_down(struct reef_service *service, uint32_t handle) {
	struct reef_host *host = reef_service_instance(service);
	if (host && host->L)
		reef_dispatch_down(host, handle);
}

const struct reef_module reef_snlua_module = {
		.name = "snlua",
		.init = snlua_init,
		.release = snlua_release,
		.signal = snlua_signal,
		.warm = reef_lookahead_note,
		.down = snlua_down,
};

void reef_host_setup(void) {
	catch_interrupts();
	reef_module_register(&reef_snlua_module);
	reef_host_preload("reef.host", reef_open_host);
	reef_host_preload("skynet.core", reef_open_core);
	reef_host_preload("reef.memory", reef_open_memory);
	reef_host_preload("reef.services", reef_open_services);
	reef_host_preload("reef.text", reef_open_text);
	reef_host_preload("reef.log", reef_open_log);
	reef_host_preload("skynet.debugchannel", reef_open_debugchannel);
}

/* ---- for other rooms ---- */

void reef_host_set_hooks(const struct reef_host_hooks *given) {
	hooks = *given;
	reef_load_set_hook(hooks.load_file);
}

void reef_host_new_library(lua_State *L, const luaL_Reg *functions, int extra) {
	if (hooks.new_library) {
		hooks.new_library(L, functions, extra);
		return;
	}
	lua_createtable(L, 0, extra);
	luaL_setfuncs(L, functions, 0);
}

struct reef_host *reef_host_of(lua_State *L) {
	return reef_host_get(L);
}

struct reef_service *reef_host_service(struct reef_host *host) {
	return host->service;
}

lua_State *reef_host_main(struct reef_host *host) {
	return host->L;
}

int32_t reef_host_ask(struct reef_host *host, uint32_t dest, struct reef_message *m, struct reef_host_reply *reply) {
	int32_t session = reef_host_new_session(host);
	if (m == NULL) {
		if (!reef_service_alive(dest))
			return 0;
	} else {
		m->source = host->handle;
		m->session = session;
		if (!reef_send(dest, m))
			return 0;
	}
	reef_sessions_add(&host->sessions, session, SESSION_REPLY, reply)->dest = dest;
	return session;
}

void reef_host_forget(struct reef_host *host, int32_t session) {
	struct reef_session *entry = reef_sessions_find(&host->sessions, session);
	if (entry && entry->kind == SESSION_REPLY) {
		entry->kind = SESSION_BREAK;
		entry->ptr = NULL;
	}
}

int32_t reef_host_new_session(struct reef_host *host) {
	int32_t session = reef_service_new_session(host->service);
	if (session < host->last_session)
		host->sessions_wrapped = true;
	while (host->sessions_wrapped && reef_sessions_find(&host->sessions, session))
		session = reef_service_new_session(host->service);
	host->last_session = session;
	return session;
}

int32_t reef_host_timer_add(struct reef_host *host, uint64_t deadline_ns, reef_host_timer handler, void *ud) {
	struct reef_c_timer *timer = reef_malloc(sizeof(*timer));
	*timer = (struct reef_c_timer){handler, ud};
	int32_t session = reef_host_new_session(host);
	reef_sessions_add(&host->sessions, session, SESSION_TIMER, timer);
	reef_timer_add(host->handle, session, deadline_ns);
	return session;
}

void reef_host_timer_cancel(struct reef_host *host, int32_t session) {
	struct reef_session *entry = reef_sessions_find(&host->sessions, session);
	if (!entry || entry->kind != SESSION_TIMER)
		return;
	reef_free(entry->ptr);
	entry->ptr = NULL;
	entry->kind = SESSION_BREAK;
}
