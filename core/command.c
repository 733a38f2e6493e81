/* The text commands: see command.h. One small function each, found by name in a sorted table. */
#include "command.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "clock.h"
#include "end.h"
#include "env.h"
#include "global.h"
#include "log.h"
#include "message_log.h"
#include "name.h"
#include "service.h"
#include "service_life.h"
#include "timer.h"

#define RESULT_SIZE 64

static _Thread_local char result[RESULT_SIZE];

static const char *handle_text(uint32_t handle) {
	return handle == 0 ? NULL : reef_handle_text(result, handle);
}

static uint32_t command_find_address(const char *address) {
	if (address[0] != '.' && address[0] != ':' && reef_global_valid(address))
		return reef_global_find(address);
	return reef_address_parse(address);
}

static bool bind_name(const char *name, uint32_t handle) {
	return name[0] == '.' ? reef_name_add(name + 1, handle) : reef_global_add(name, handle);
}

/* Copies the first word of `text` and returns what follows it and its spaces; NULL if the word is too long. */
static const char *split(const char *text, char *word, size_t size) {
	size_t n = strcspn(text, " ");
	if (n >= size)
		return NULL;
	memcpy(word, text, n);
	word[n] = '\0';
	text += n;
	return text + strspn(text, " ");
}

static const char *do_timeout(struct reef_service *self, const char *param) {
	long cs = strtol(param, NULL, 10);
	int32_t session = reef_service_new_session(self);
	uint64_t deadline = cs > 0 ? reef_now_ns() + (uint64_t)cs * 10000000u : 0;
	reef_timer_add(reef_service_handle(self), session, deadline);
	snprintf(result, sizeof result, "%d", session);
	return result;
}

static const char *do_reg(struct reef_service *self, const char *param) {
	if (*param == '\0')
		return handle_text(reef_service_handle(self));
	return bind_name(param, reef_service_handle(self)) ? param : NULL;
}

static const char *do_query(struct reef_service *self, const char *param) {
	(void)self;
	return handle_text(command_find_address(param));
}

static const char *do_name(struct reef_service *self, const char *param) {
	(void)self;
	char name[256];
	const char *address = split(param, name, sizeof name);
	if (address == NULL || *name == '\0')
		return NULL;
	uint32_t handle = reef_address_parse(address);
	return handle != 0 && bind_name(name, handle) ? param : NULL;
}

static const char *do_exit(struct reef_service *self, const char *param) {
	(void)param;
	reef_log_at(REEF_LOG_VERBOSE, reef_service_handle(self), "KILL self");
	reef_service_kill(reef_service_handle(self));
	return NULL;
}

static const char *do_kill(struct reef_service *self, const char *param) {
	uint32_t handle = reef_address_parse(param);
	if (handle == reef_service_handle(self))
		return do_exit(self, param);
	if (handle != 0 && reef_service_kill(handle))
		reef_log_at(REEF_LOG_VERBOSE, reef_service_handle(self), "KILL :%x", handle);
	return NULL;
}

static const char *do_abort(struct reef_service *self, const char *param) {
	(void)param;
	reef_end_abort(reef_service_handle(self));
	return NULL;
}

/* Something could not start. Nothing: the process is ending anyway. */
static const char *do_failed(struct reef_service *self, const char *param) {
	(void)self;
	return reef_end_failed() ? param : NULL;
}

/* An orderly end, with that exit code. */
static const char *do_stop(struct reef_service *self, const char *param) {
	reef_end_set_exit_code((int)strtol(param, NULL, 10));
	reef_end_stop(reef_service_handle(self));
	return NULL;
}

/* Something that belongs to an orderly end has failed. */
static const char *do_disorder(struct reef_service *self, const char *param) {
	(void)self;
	(void)param;
	reef_end_set_exit_code(REEF_EXIT_CUT);
	return NULL;
}

/* 1: this service has a shutdown hook; 0: it has returned. */
static const char *do_hook(struct reef_service *self, const char *param) {
	reef_service_set_hooked(self, *param == '1');
	return NULL;
}

static const char *do_launch(struct reef_service *self, const char *param) {
	(void)self;
	char module[64];
	const char *args = split(param, module, sizeof module);
	return args ? handle_text(reef_service_launch(module, args)) : NULL;
}

static const char *do_getenv(struct reef_service *self, const char *param) {
	(void)self;
	return reef_env_get(param);
}

static const char *do_setenv(struct reef_service *self, const char *param) {
	(void)self;
	char key[256];
	const char *value = split(param, key, sizeof key);
	if (value)
		reef_env_set(key, value);
	return NULL;
}

static const char *do_starttime(struct reef_service *self, const char *param) {
	(void)self;
	(void)param;
	snprintf(result, sizeof result, "%u", reef_start_time());
	return result;
}

static const char *do_monitor(struct reef_service *self, const char *param) {
	(void)self;
	if (*param)
		reef_service_set_monitor(reef_address_parse(param));
	return handle_text(reef_service_monitor());
}

static const char *do_stat(struct reef_service *self, const char *param) {
	struct reef_service_stat stat;
	bool endless = strcmp(param, "endless") == 0;
	reef_service_get_stat(self, &stat, endless);
	if (strcmp(param, "mqlen") == 0)
		snprintf(result, sizeof result, "%zu", stat.mqlen);
	else if (endless)
		snprintf(result, sizeof result, "%d", stat.endless);
	else if (strcmp(param, "cpu") == 0)
		snprintf(result, sizeof result, "%.6f", stat.cpu_seconds);
	else if (strcmp(param, "time") == 0)
		snprintf(result, sizeof result, "%.6f", stat.message_seconds);
	else if (strcmp(param, "message") == 0)
		snprintf(result, sizeof result, "%llu", (unsigned long long)stat.messages);
	else
		snprintf(result, sizeof result, "0");
	return result;
}

static const char *do_logon(struct reef_service *self, const char *param) {
	(void)self;
	reef_message_log_set(reef_address_parse(param), true);
	return NULL;
}

static const char *do_logoff(struct reef_service *self, const char *param) {
	(void)self;
	reef_message_log_set(reef_address_parse(param), false);
	return NULL;
}

static const char *do_signal(struct reef_service *self, const char *param) {
	(void)self;
	char address[256];
	const char *n = split(param, address, sizeof address);
	if (n)
		reef_service_signal(reef_address_parse(address), (int)strtol(n, NULL, 0));
	return NULL;
}

/* `messages address-of-the-first`, if somebody waits for that global name. */
static const char *do_waiting(struct reef_service *self, const char *param) {
	(void)self;
	uint32_t source = 0;
	size_t n = reef_global_waiting(param, &source);
	if (n == 0)
		return NULL;
	snprintf(result, sizeof result, "%zu :%08x", n, source);
	return result;
}

struct command {
	const char *name;
	const char *(*run)(struct reef_service *self, const char *param);
};

static const struct command commands[] = {
		{"ABORT", do_abort},         {"DISORDER", do_disorder}, {"EXIT", do_exit},       {"FAILED", do_failed},
		{"GETENV", do_getenv},       {"HOOK", do_hook},         {"KILL", do_kill},       {"LAUNCH", do_launch},
		{"LOGOFF", do_logoff},       {"LOGON", do_logon},       {"MONITOR", do_monitor}, {"NAME", do_name},
		{"QUERY", do_query},         {"REG", do_reg},           {"SETENV", do_setenv},   {"SIGNAL", do_signal},
		{"STARTTIME", do_starttime}, {"STAT", do_stat},         {"STOP", do_stop},       {"TIMEOUT", do_timeout},
		{"WAITING", do_waiting},
};

static int compare_command(const void *key, const void *entry) {
	return strcmp(key, ((const struct command *)entry)->name);
}

const char *reef_command(struct reef_service *self, const char *name, const char *param) {
	const struct command *command =
			bsearch(name, commands, sizeof commands / sizeof commands[0], sizeof commands[0], compare_command);
	return command ? command->run(self, param ? param : "") : NULL;
}
