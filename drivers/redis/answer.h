/* What becomes of a reply, or of a failure: values on the stack of the coroutine that waits, which goes on then. The
 * same for requests on connections of one's own and through a pool. Own slice only. */
#ifndef REEF_REDIS_ANSWER_H
#define REEF_REDIS_ANSWER_H

#include <stdint.h>

#include <lua.h>

#include "core/host/host.h"
#include "drivers/channel/failure.h"
#include "reply.h"

/* What becomes of a request's replies: its `kind`, a set of these. */
enum {
	REEF_REDIS_BOOLEAN = 1,  /* an integer becomes `n ~= 0` */
	REEF_REDIS_OBJECTS = 2,  /* the server's errors are raised as objects, not as strings */
	REEF_REDIS_PIPELINE = 4, /* several replies; only the last counts */
	REEF_REDIS_COLLECT = 8,  /* the same, and each goes as {ok, out} into the table at `ref` */
};

/* Where a reply is to be found, and who makes error objects. */
struct reef_redis_answer {
	lua_State *build; /* the reply is at `index` of this stack */
	int index;
	int failure; /* see reef_failure_push */
	enum reef_redis_reply reply;
	int kind;
	const char *command;
};

/* Resumes or fails the task with the reply. */
void reef_redis_answer(const struct reef_redis_answer *answer, struct reef_task *task);
/* Appends {ok=, out=} to the table of results at the registry reference `ref` for each of `count` replies of these kinds, the
 * first of which is the answer's. */
void reef_redis_collect(const struct reef_redis_answer *answer, const uint8_t *kinds, int count, int ref);
/* Resumes the task with that table and releases the reference. */
void reef_redis_finish_collection(lua_State *build, struct reef_task *task, int ref);

#endif
