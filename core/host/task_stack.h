/* A C function that Lua calls and that waits in its midst: its body runs on a C stack of its own, its coroutine waits, its service
 * goes on.
 *
 *   static int body(lua_State *L) {
 *       struct reef_reply reply;
 *       if (reef_task_call(L, dest, PTYPE_TEXT, "hello", 5, 500, &reply) != REEF_CALL_DONE)
 *           return luaL_error(L, "no answer");
 *       ...
 *   }
 *   static int l_greet(lua_State *L) { return reef_task_on_stack(L, body); }
 *
 * Between a call and its return others of the service may have run, and the thread may be another one afterwards: neither
 * thread-local variables nor errno are to be kept, and no mutex is to be held. Own slice only. */
#ifndef REEF_TASK_STACK_H
#define REEF_TASK_STACK_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "core/call.h"

/* Ends a C function: body(L) is called with the same arguments, its results are the function's, and what it raises is raised. Its L
 * is another thread of the VM; it has no upvalues. Of a body that is on a stack already it is a plain call. Raises where coroutines
 * cannot wait, and for want of memory. A stack has 1 MiB, of which memory is used as far as it is touched; the page behind it ends
 * the process. */
int reef_task_on_stack(lua_State *L, lua_CFunction body);

/* Within a body, however deep, also below Lua functions that it calls: as reef_call and reef_call_sleep of core/call.h. The task has
 * been ended, or the service ends: REEF_CALL_ENDING, now and for each further call. */
enum reef_called reef_task_call(lua_State *L, uint32_t dest, int type, const void *data, size_t size, int timeout,
								struct reef_reply *reply);
enum reef_called reef_task_sleep(lua_State *L, int time);

#endif
