/* The Lua host: one Lua VM a service. What C modules have of it: requests and timers of their own, Lua libraries; and what
 * a room above may replace. Coroutines that wait are in task.h.
 *
 * All functions here are for the service's own slice. */
#ifndef REEF_HOST_H
#define REEF_HOST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/message.h"
#include <lauxlib.h>
#include <lua.h>

#include "task.h"

struct reef_host; /* one VM */
struct reef_message;
struct reef_service;

struct reef_host *reef_host_of(lua_State *L);
struct reef_service *reef_host_service(struct reef_host *host);
/* Is there a limit to the memory of the VM (skynet.memlimit)? */
bool reef_host_is_limited(const struct reef_host *host);
/* The VM's main thread: a place to build values on. */
lua_State *reef_host_main(struct reef_host *host);

/* The coroutine of the task that the service runs, NULL if it runs none or is no Lua service. */
lua_State *reef_host_running_thread(struct reef_service *service);

/* A session number that nothing waits for. */
int32_t reef_host_new_session(struct reef_host *host);

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
/* Sends m, whose type is set, as a request and takes it. With m NULL nothing is sent: `arrived` is called when `dest`
 * ends while somebody notices, and `dest` hears of this service's end (REEF_PTYPE_ERROR with session 0). Returns the
 * session; 0: there is no such service. */
int32_t reef_host_ask(struct reef_host *host, uint32_t dest, struct reef_message *m, struct reef_host_reply *reply);
/* Whatever comes for that session is dropped. */
void reef_host_forget(struct reef_host *host, int32_t session);

/* A C module that `require` of every VM finds under that name. `name` must live on. Start-up only. */
void reef_host_preload(const char *name, lua_CFunction open);

/* Its open function, NULL if there is none of that name. */
lua_CFunction reef_host_preloaded(const char *name);
/* This function of a C module changes nothing outside the VM and gives the same in each: main functions that call it may
 * be run ahead (watch.h). What it makes may be userdata without a metatable. Start-up only. */
void reef_host_add_harmless(lua_CFunction f);
/* Is it one of these, or the open function of such a module? */
bool reef_host_is_harmless(lua_CFunction f);

/* Pushes a new table with those C functions (an array that lives as long as the process) and room for `extra` more
 * fields: cheaper than luaL_newlib. May raise a memory error. */
void reef_host_new_library(lua_State *L, const luaL_Reg *functions, int extra);

/* What a room above keeps of each VM, its *record*, which a copy of the VM has one of its own of: its registry refers to it
 * by a light userdata. Called by the slices of services but for `version`, which any thread may call. */
struct reef_record_hooks {
	void *(*find)(lua_State *L); /* NULL if there is none */
	/* Takes what the VM's record has; from that, copies are made. NULL: there is something in it that cannot be copied, or
	 * no memory. */
	void *(*keep)(lua_State *L);
	void *(*copy)(const void *kept); /* for a new VM; NULL: no memory */
	void (*let_go)(void *kept);      /* any thread */
	void (*drop)(void *record);      /* of a VM that is not closed; NULL is allowed */
	uint64_t (*version)(void);       /* changes when files that were loaded may be others now */
};

/* What a room above may put in the place of stock behaviour. Unset members mean stock Lua. Start-up only. */
struct reef_host_hooks {
	/* Opens the libraries of a VM that has none yet; stock: reef_libraries_open. May raise. */
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
	/* NULL: VMs are not copied. */
	const struct reef_record_hooks *record;
};
void reef_host_set_hooks(const struct reef_host_hooks *hooks);
const struct reef_host_hooks *reef_host_hooks(void);
/* Ends the VM, whose main thread L is: by the hook, if there is one. Own slice only. */
void reef_host_close_state(lua_State *L);

#endif
