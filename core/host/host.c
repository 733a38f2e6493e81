/* What C modules have of a host: requests and timers of their own, Lua libraries, and what a room above may replace. */
#include "host.h"
#include "core/send.h"
#include "core/service.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "copy_blocks.h"
#include "core/alloc.h"
#include "core/seam.h"
#include "core/timer.h"
#include "host_private.h"
#include "session.h"
#include "sharetable/overlay/closing.h"

#define FIRST_MEMORY_REPORT ((size_t)32 << 20)

struct reef_host *reef_host_new(struct reef_service *service) {
	struct reef_host *host = reef_calloc(1, sizeof(*host));
	host->service = service;
	host->handle = reef_service_handle(service);
	host->memory_report = FIRST_MEMORY_REPORT;
	reef_list_init(&host->responses);
	struct reef_task *headers[] = {&host->none, &host->blocked, &host->gone};
	for (int i = 0; i < 3; i++) {
		headers[i]->host = host;
		headers[i]->state = TASK_NONE;
	}
	return host;
}

struct reef_host *reef_host_of(lua_State *L) {
	return reef_host_get(L);
}

struct reef_service *reef_host_service(struct reef_host *host) {
	return host->service;
}

bool reef_host_is_limited(const struct reef_host *host) {
	return host->memory_limit != 0;
}

lua_State *reef_host_main(struct reef_host *host) {
	return host->L;
}

lua_State *reef_host_running_thread(struct reef_service *service) {
	if (strcmp(reef_service_module(service)->name, "snlua") != 0)
		return NULL;
	const struct reef_host *host = reef_service_instance(service);
	return host && host->running ? host->running->L : NULL;
}

/* ---- requests and timers ---- */

int32_t reef_host_new_session(struct reef_host *host) {
	int32_t session = reef_service_new_session(host->service);
	if (session < host->last_session)
		host->sessions_wrapped = true;
	while (host->sessions_wrapped && reef_session_find(&host->sessions, session))
		session = reef_service_new_session(host->service);
	host->last_session = session;
	return session;
}

int32_t reef_host_ask(struct reef_host *host, uint32_t dest, struct reef_message *m, struct reef_host_reply *reply) {
	int32_t session = reef_host_new_session(host);
	if (m == NULL) {
		if (!reef_seam_number(REEF_SEAM_STATE, reef_service_alive(dest)))
			return 0;
	} else {
		m->source = host->handle;
		m->session = session;
		if (!reef_send(dest, m))
			return 0;
	}
	reef_session_add(&host->sessions, session, SESSION_REPLY, reply)->dest = dest;
	return session;
}

void reef_host_forget(struct reef_host *host, int32_t session) {
	struct reef_session *entry = reef_session_find(&host->sessions, session);
	if (entry && entry->kind == SESSION_REPLY) {
		entry->kind = SESSION_BREAK;
		entry->ptr = NULL;
	}
}

int32_t reef_host_timer_add(struct reef_host *host, uint64_t deadline_ns, reef_host_timer handler, void *ud) {
	struct reef_c_timer *timer = reef_malloc(sizeof(*timer));
	*timer = (struct reef_c_timer){handler, ud};
	int32_t session = reef_host_new_session(host);
	reef_session_add(&host->sessions, session, SESSION_TIMER, timer);
	reef_timer_add(host->handle, session, deadline_ns);
	return session;
}

void reef_host_timer_cancel(struct reef_host *host, int32_t session) {
	struct reef_session *entry = reef_session_find(&host->sessions, session);
	if (!entry || entry->kind != SESSION_TIMER)
		return;
	reef_free(entry->ptr);
	entry->ptr = NULL;
	entry->kind = SESSION_BREAK;
}

/* ---- start-up: libraries and hooks ---- */

enum { MAX_MODULES = 128, MAX_HARMLESS = 32 };

static luaL_Reg modules[MAX_MODULES]; /* sorted by name */
static size_t module_count, harmless_count;
static lua_CFunction harmless[MAX_HARMLESS];
static struct reef_host_hooks hooks;

void reef_host_preload(const char *name, lua_CFunction open) {
	if (module_count == MAX_MODULES) {
		fprintf(stderr, "reef: too many C modules\n");
		abort();
	}
	size_t place = module_count++;
	for (; place > 0 && strcmp(modules[place - 1].name, name) > 0; place--)
		modules[place] = modules[place - 1];
	modules[place] = (luaL_Reg){name, open};
}

static int module_find(const void *name, const void *module) {
	return strcmp(name, ((const luaL_Reg *)module)->name);
}

lua_CFunction reef_host_preloaded(const char *name) {
	const luaL_Reg *found = bsearch(name, modules, module_count, sizeof(*modules), module_find);
	return found ? found->func : NULL;
}

void reef_host_add_harmless(lua_CFunction f) {
	if (harmless_count == MAX_HARMLESS) {
		fprintf(stderr, "reef: too many harmless functions\n");
		abort();
	}
	harmless[harmless_count++] = f;
}

bool reef_host_is_harmless(lua_CFunction f) {
	for (size_t i = 0; i < module_count; i++) {
		if (modules[i].func == f)
			return true;
	}
	for (size_t i = 0; i < harmless_count; i++) {
		if (harmless[i] == f)
			return true;
	}
	return false;
}

void reef_host_set_hooks(const struct reef_host_hooks *given) {
	hooks = *given;
}

const struct reef_host_hooks *reef_host_hooks(void) {
	return &hooks;
}

void reef_host_close_state(lua_State *L) {
	(hooks.close_state ? hooks.close_state : lua_close)(L);
}

void reef_host_end_vm(struct reef_host *host) {
	char *block = reef_host_block(host);
	reef_closing = (struct reef_closing){block, reef_host_block_size(host)};
	reef_host_close_state(host->L);
	reef_closing = (struct reef_closing){0};
	host->block_units = host->block_left = 0;
	if (block)
		reef_copy_blocks_give_back(block);
}

void reef_host_new_library(lua_State *L, const luaL_Reg *functions, int extra) {
	if (hooks.new_library) {
		hooks.new_library(L, functions, extra);
		return;
	}
	lua_createtable(L, 0, extra);
	luaL_setfuncs(L, functions, 0);
}
