/* How a VM begins: its libraries, its protocols, its main chunk; and what happens when that fails. Own slice only. */
#include "boot.h"
#include "core/mailbox.h"
#include "core/name.h"
#include "core/send.h"
#include "core/service_life.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "allocator.h"
#include "copy.h"
#include "core/alloc.h"
#include "core/clean.h"
#include "core/end.h"
#include "core/env.h"
#include "core/log.h"
#include "core/seam.h"
#include "host_private.h"
#include "load.h"
#include "prepare.h"
#include "protocol.h"
#include "report.h"

/* Ends a service that has not begun. The launcher learns how: "ERROR reason", or "EXIT" where nothing went wrong. */
static void boot_end(struct reef_host *host, const char *report) {
	uint32_t launcher = (uint32_t)reef_seam_number(REEF_SEAM_NAME, reef_name_find("launcher"));
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
	reef_report_logged(host);
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

/* Is there anything that can run, and tell the launcher that the service is ready? */
static bool boot_has_begun(const struct reef_host *host) {
	return host->sessions.count > 0 || host->forks.head || host->raw_callback;
}

static int boot_prepare(struct reef_host *host) {
	reef_protocol_begin(host);
	int status = reef_prepare(host, reef_allocator_run, host, host->args);
	if (status == LUA_OK && !reef_host_seam_of(host))
		reef_copy_note(host->L, host->args);
	return status;
}

/* A copy of a VM that is there already, as far as there is one; the long way from there. One with a seam is never one. */
static int boot_begin(struct reef_host *host) {
	enum reef_copied copied = reef_host_seam_of(host) ? REEF_COPIED_NOT : reef_copy_boot(host, host->args);
	if (copied == REEF_COPIED_BEGUN)
		return LUA_OK;
	int status = copied == REEF_COPIED_PREPARED ? LUA_OK : boot_prepare(host);
	lua_State *L = host->L;
	if (status != LUA_OK)
		return status;
	return reef_prepare_begin(L, host->args);
}

void reef_boot(struct reef_host *host) {
	if (!reef_load_is_own_service(host->args))
		limit_mailbox(host);
	int status = boot_begin(host);
	lua_State *L = host->L;
	if (!L) {
		boot_refuse(host, "not enough memory for a VM");
		return;
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
