/* How a VM begins: its libraries, its protocols, its main chunk; and what happens when that fails. Own slice only. */
#include "boot.h"
#include "core/mailbox.h"
#include "core/name.h"
#include "core/send.h"
#include "core/service_life.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include <lauxlib.h>

#include "allocator.h"
#include "core/alloc.h"
#include "core/clean.h"
#include "core/end.h"
#include "core/env.h"
#include "core/log.h"
#include "host_private.h"
#include "libraries.h"
#include "load.h"
#include "protocol.h"
#include "show.h"

#include "lgc.h"
#include "lstate.h"

#define BOOT_ALLOWANCE (48 * 1024) /* bytes that loading may allocate before the first collection */

/* Warnings come in pieces; errors of finalizers are among them. `@off` and `@on` are for this function. */
static void boot_warning(void *ud, const char *text, int to_be_continued) {
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
		reef_log_at(REEF_LOG_WARN, host->handle, "Lua warning: %s", text);
		return;
	}
	host->warning = warning;
	memcpy(host->warning + old, text, size + 1);
	if (to_be_continued)
		return;
	if (!host->no_warnings)
		reef_log_at(REEF_LOG_WARN, host->handle, "Lua warning: %s", host->warning);
	reef_free(host->warning);
	host->warning = NULL;
}

static int boot_traceback(lua_State *L) {
	luaL_traceback(L, L, reef_show(L, 1, NULL), 1);
	return 1;
}

static int open_libraries_of_vm(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	void (*open_libraries)(lua_State * L) = reef_host_hooks()->open_libraries;
	(open_libraries ? open_libraries : reef_libraries_open)(L);
	lua_newtable(L);
	host->functions = luaL_ref(L, LUA_REGISTRYINDEX);
	return 0;
}

static void boot_protocols(struct reef_host *host) {
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
static void boot_end(struct reef_host *host, const char *report) {
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
static void boot_refuse(struct reef_host *host, const char *text) {
	reef_log_at(REEF_LOG_ERROR, host->handle, "%s", text);
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
	const char *log = reef_env_get("reef_log_stream");
	if (!reef_name_find("launcher") && reef_end_failed() && !(log && strcmp(log, "stderr") == 0))
		reef_clean_complain("Bootstrap error : %.*s", (int)size, text);
	boot_end(host, report);
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

static int boot_run_loader(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	bool is_own = reef_load_is_own_service(host->args);
	if (!is_own)
		limit_mailbox(host);
	return reef_load_run_loader(L, host->args, is_own);
}

/* Is there anything that can run, and tell the launcher that the service is ready? */
static bool boot_has_begun(const struct reef_host *host) {
	return host->sessions.count > 0 || host->forks.head || host->raw_callback;
}

/* An error where nobody can be told: memory is gone while a message is handed to a coroutine. */
static int vm_panic(lua_State *L) {
	const char *text = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "unknown error";
	fprintf(stderr, "reef: service :%08x: %s\n", reef_host_get(L)->handle, text);
	_exit(REEF_EXIT_NO_MEMORY);
}

void reef_boot(struct reef_host *host) {
	lua_State *L = lua_newstate(reef_allocator_run, host);
	if (!L) {
		boot_refuse(host, "not enough memory for a VM");
		return;
	}
	lua_atpanic(L, vm_panic);
	reef_task_set_header(L, &host->none);
	host->L = L;
	host->active = L;
	lua_setwarnf(L, boot_warning, host);
	boot_protocols(host);
	lua_gc(L, LUA_GCSTOP);
	lua_pushcfunction(L, boot_traceback);
	lua_pushcfunction(L, open_libraries_of_vm);
	int status = lua_pcall(L, 0, 0, 1);
	if (status == LUA_OK) {
		lua_gc(L, LUA_GCRESTART);
		luaE_setdebt(G(L), -BOOT_ALLOWANCE);
		if (reef_host_hooks()->opened)
			reef_host_hooks()->opened(L);
		lua_pushcfunction(L, boot_run_loader);
		status = lua_pcall(L, 0, 0, 1);
	}
	host->booted = true;
	reef_free(host->args);
	host->args = NULL;
	if (status != LUA_OK && !host->exiting)
		boot_refuse(host, lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "error in error handling");
	else if (!host->exiting && !boot_has_begun(host))
		boot_end(host, "EXIT");
	lua_settop(L, 0);
	host->active = NULL;
}
