/* For integration/c_call.lua, which builds it outside the tree: a C service whose callbacks wait.
 *
 * The service `caller` answers texts: "ask ADDRESS TIME TEXT" with what that service answers to TEXT, or how it came that it did
 * not; "sleep TIME"; "sum ADDRESS N" with the sum of N answers, of which each is asked for behind the one before; "ending TIME"
 * calls again and again until the service ends; "deep BYTES" uses that much of its stack; "outside" tells what a call says where
 * none may be made. The module: counts(). */
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>
#include <lua.h>

#include "core/call.h"

enum { TEXT = 256 };

static atomic_long begun, ended, strays, told_of_end;
static atomic_int outside = -1;

static const char *const words[] = {"done", "failed", "late", "nobody", "ending", "outside"};

static void answer(struct skynet_context *context, uint32_t source, int session, const char *text) {
	skynet_send(context, 0, source, PTYPE_RESPONSE, session, (void *)text, strlen(text));
}

static void ask(struct skynet_context *context, const char *args, char *result) {
	unsigned address;
	int time, n = 0;
	struct reef_reply reply;
	sscanf(args, "%x %d %n", &address, &time, &n);
	enum reef_called called = reef_call(context, address, PTYPE_TEXT, args + n, strlen(args + n), time, &reply);
	snprintf(result, TEXT, "%s %.*s", words[called], (int)reply.size, reply.data ? (char *)reply.data : "");
	skynet_free(reply.data);
}

static void sum(struct skynet_context *context, const char *args, char *result) {
	unsigned address;
	int count;
	long long total = 0;
	sscanf(args, "%x %d", &address, &count);
	for (int i = 0; i < count; i++) {
		char text[32];
		struct reef_reply reply;
		snprintf(text, sizeof text, "%d", i);
		if (reef_call(context, address, PTYPE_TEXT, text, strlen(text), 6000, &reply) != REEF_CALL_DONE)
			break;
		snprintf(text, sizeof text, "%.*s", (int)reply.size, (char *)reply.data);
		total += atoll(text);
		skynet_free(reply.data);
	}
	snprintf(result, TEXT, "%lld", total);
}

static __attribute__((noinline)) unsigned use_stack(size_t size) {
	volatile unsigned char *bytes = __builtin_alloca(size);
	unsigned total = 0;
	for (size_t i = 0; i < size; i += 512)
		bytes[i] = (unsigned char)i;
	for (size_t i = 0; i < size; i += 512)
		total += bytes[i];
	return total;
}

static int on_message(struct skynet_context *context, void *ud, int type, int session, uint32_t source, const void *msg,
					  size_t size) {
	(void)ud;
	if (type != PTYPE_TEXT) {
		strays++;
		return 0;
	}
	begun++;
	char text[TEXT], result[TEXT] = "";
	snprintf(text, sizeof text, "%.*s", (int)size, (const char *)msg);
	if (strncmp(text, "ask ", 4) == 0) {
		ask(context, text + 4, result);
	} else if (strncmp(text, "sum ", 4) == 0) {
		sum(context, text + 4, result);
	} else if (strncmp(text, "sleep ", 6) == 0) {
		snprintf(result, sizeof result, "%s", words[reef_call_sleep(context, atoi(text + 6))]);
	} else if (strncmp(text, "deep ", 5) == 0) {
		size_t bytes = (size_t)atol(text + 5);
		unsigned before = use_stack(bytes);
		reef_call_sleep(context, 1);
		snprintf(result, sizeof result, "%s", use_stack(bytes) == before ? "same" : "different");
	} else if (strncmp(text, "ending ", 7) == 0) {
		while (reef_call_sleep(context, atoi(text + 7)) != REEF_CALL_ENDING)
			;
		/* Nothing waits any more. */
		if (reef_call(context, source, PTYPE_TEXT, "x", 1, -1, NULL) == REEF_CALL_ENDING)
			told_of_end++;
	} else {
		snprintf(result, sizeof result, "%s", words[outside]);
	}
	ended++;
	answer(context, source, session, result);
	return 0;
}

int caller_init(void *instance, struct skynet_context *context, const char *param) {
	skynet_callback(context, instance, on_message);
	int error = reef_call_allow(context, (size_t)atol(param));
	outside = (int)reef_call(context, 1, PTYPE_TEXT, "x", 1, -1, NULL);
	return error;
}

/* counts() -> callbacks begun, ended, messages that were no requests, those that were told of the end */
static int l_counts(lua_State *L) {
	lua_pushinteger(L, begun);
	lua_pushinteger(L, ended);
	lua_pushinteger(L, strays);
	lua_pushinteger(L, told_of_end);
	return 4;
}

int luaopen_caller(lua_State *L);

int luaopen_caller(lua_State *L) {
	static const luaL_Reg functions[] = {{"counts", l_counts}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
