/* The Lua host: the module `snlua`, one Lua VM a service, and the dispatcher that runs its coroutines.
 *
 * All functions here are for the service's own slice. For C modules that make a coroutine wait for something (a socket,
 * a reply): take the running task, suspend it with a `struct reef_wait` that says how to give up, and later, from an
 * event, push the results on the task's thread and resume it.
 */
#ifndef REEF_HOST_H
#define REEF_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message.h"
#include <lauxlib.h>
#include <lua.h>

struct reef_host; /* one VM */
struct reef_task; /* one coroutine that the dispatcher runs */
struct reef_service;

struct reef_host *reef_host_of(lua_State *L);
struct reef_service *reef_host_service(struct reef_host *host);
/* The VM's main thread: a place to build values on. */
lua_State *reef_host_main(struct reef_host *host);

/* Why a task is suspended. Lives in the waiter's own memory until the task goes on or `cancel` was called. */
struct reef_wait {
	/* The task goes away (killthread, the service ends): forget it, whatever comes later is to be dropped. */
	void (*cancel)(struct reef_wait *wait, struct reef_task *task);
	const char *what; /* a word for lists of tasks: "redis GET" */
};

/* The task that the dispatcher is running; raises a Lua error when there is none (main chunk, a finalizer). */
struct reef_task *reef_task_running(lua_State *L);
/* Its coroutine: results are pushed here before reef_task_resume. */
lua_State *reef_task_thread(struct reef_task *task);
/* A number that no other task of this VM has had or will have: tasks' memory and coroutines are used again. */
uint64_t reef_task_serial(const struct reef_task *task);
/* Is the task with that serial number still at work? `task` may point to what is gone: it is only compared. */
bool reef_task_alive(struct reef_host *host, const struct reef_task *task, uint64_t serial);

/* Ends a C function that makes the running task wait: `return reef_task_suspend(L, wait)`. The C function then returns
 * to its Lua caller whatever the task is resumed with, or raises what it is failed with. */
int reef_task_suspend(lua_State *L, struct reef_wait *wait);

/* Goes on with a suspended task at once: the `n` values on top of its thread are the results. Only from an event or a
 * callback, never from inside another task's C function (use reef_task_wake there). */
void reef_task_resume(struct reef_task *task, int n);
/* The same, but what the task was waiting in raises the value on top of its thread. */
void reef_task_fail(struct reef_task *task);
/* Queues the task to be resumed with those n values later in this turn, after what runs now; in order. */
void reef_task_wake(struct reef_task *task, int n);
/* Queues the task to be failed with the value on top of its thread. */
void reef_task_wake_fail(struct reef_task *task);

/* Calls handler when the timer session that this returns is due (unless reef_host_timer_cancel was called before).
 * One-shot; `deadline_ns` on the scale of reef_now_ns. For deadlines of C waiters: keep one a channel, not one a
 * request. Cancelling is cheap: the late message is ignored. */
typedef void (*reef_host_timer)(struct reef_host *host, void *ud);
int32_t reef_host_timer_add(struct reef_host *host, uint64_t deadline_ns, reef_host_timer handler, void *ud);
void reef_host_timer_cancel(struct reef_host *host, int32_t session);

/* A request that a C module makes in the name of its service, or just its interest in another service's end. Lives in
 * the module's own memory until `arrived` is called or it is forgotten. */
struct reef_host_reply {
	/* The reply's bytes, valid during the call; or, not ok, the reason why there is none (not terminated, may be empty).
	 * Called once. */
	void (*arrived)(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n);
};
struct reef_message;
/* Sends m, whose type is set, as a request and takes it. With m NULL nothing is sent: `arrived` is called when `dest`
 * ends while somebody notices, and `dest` hears of this service's end (REEF_PTYPE_ERROR with session 0). Returns the
 * session; 0: there is no such service. */
int32_t reef_host_ask(struct reef_host *host, uint32_t dest, struct reef_message *m, struct reef_host_reply *reply);
/* Whatever comes for that session is dropped. */
void reef_host_forget(struct reef_host *host, int32_t session);

/* From now on `take` sees every message of the service first; true: it has handled that message, which is freed
 * afterwards. It runs no Lua itself: what it wakes goes on after reef_service_turn_end. */
void reef_host_intercept(struct reef_host *host, bool (*take)(void *ud, struct reef_message *m), void *ud);

/* A C module that `require` of every VM finds under that name. `name` must live on. Start-up only. */
void reef_host_preload(const char *name, lua_CFunction open);

/* Bytes that the VM of that service has allocated; 0 if it is none of ours. Any thread inside the engine. */
size_t reef_host_bytes(uint32_t handle);

/* Makes `snlua` known. Start-up only, before the rooms. */
void reef_host_setup(void);

/* Pushes a new table with those C functions (an array that lives as long as the process) and room for `extra` more
 * fields: cheaper than luaL_newlib. May raise a memory error. */
void reef_host_new_library(lua_State *L, const luaL_Reg *functions, int extra);

/* What a room above may put in the place of stock behaviour. Unset members mean stock Lua. Start-up only. */
struct reef_host_hooks {
	/* Opens the standard libraries; stock: luaL_openlibs. May raise. */
	void (*open_libraries)(lua_State *L);
	/* Pushes a table with those C functions and room for `extra` more fields; stock: luaL_setfuncs. May raise. */
	void (*new_library)(lua_State *L, const luaL_Reg *functions, int extra);
	/* The VM has its libraries and has run nothing yet. */
	void (*opened)(lua_State *L);
	/* Ends the VM; stock: lua_close. */
	void (*close_state)(lua_State *L);
	/* As luaL_loadfilex, for every file that a Lua service loads (main files, require, dofile, loadfile). */
	int (*load_file)(lua_State *L, const char *name, const char *mode);
	/* Makes the Lua code that this thread runs raise: once, or at every step until the outermost call has ended. False:
	 * it runs none. Called by a signal handler. Stock: a hook on the coroutine that the host has resumed last. */
	bool (*interrupt)(bool for_good);
};
void reef_host_set_hooks(const struct reef_host_hooks *hooks);

#endif
