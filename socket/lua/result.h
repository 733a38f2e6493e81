/* What a coroutine that waited for a socket gets. In the owner's slice. */
#ifndef REEF_SOCKET_LUA_RESULT_H
#define REEF_SOCKET_LUA_RESULT_H

#include <lua.h>
#include <stdbool.h>
#include <stddef.h>

#include "core/host/host.h"

struct reef_taker;

struct reef_result {
	enum {
		REEF_RESULT_NONE,
		REEF_RESULT_TRUE,
		REEF_RESULT_ID, /* `n` */
		REEF_RESULT_BYTES,
		REEF_RESULT_FALSE,
		REEF_RESULT_FALSE_BYTES,
		REEF_RESULT_NIL_BYTES,
		REEF_RESULT_TAKEN, /* what `taker` gives; `over`: no more comes */
	} kind;
	const char *bytes;
	size_t n;
	struct reef_taker *taker;
	bool over;
	int count; /* of values, when they have been pushed */
	lua_State *to;
};

/* Pushes the values on L. */
void reef_result_push(lua_State *L, struct reef_result *result);
/* Puts them on the task's thread, under protection: memory may be limited. False: an error value is there instead. */
bool reef_result_give(struct reef_host *host, struct reef_task *task, struct reef_result *result);
/* Goes on with a task to which `count` values, or an error (`ok` false), were given: in this moment or in its turn. */
void reef_result_wake(struct reef_task *task, bool ok, int count, bool at_once);

#endif
