/* A C function that Lua calls and that blocks: it runs on a helper thread, its coroutine waits, its service goes on. */
#ifndef REEF_TASK_AWAIT_H
#define REEF_TASK_AWAIT_H

#include <stdint.h>

#include <lua.h>

/* Lives as long as the work. `ud` belongs to the work from reef_task_await on. */
struct reef_task_work {
	const char *what;      /* a word for lists of tasks and errors: "hash" */
	void (*run)(void *ud); /* on a helper thread; see core/await.h */
	/* It has run: pushes the results on L, the service's main thread, and returns how many; may raise, which is what the
	 * Lua caller gets then. Own slice. */
	int (*results)(lua_State *L, void *ud);
	/* Frees `ud`: always called in the end, also after `results`, unless the process ends before `run` does. Any thread. */
	void (*drop)(void *ud);
};

/* Ends a C function: `return reef_task_await(L, &work, ud, deadline)`. The running task waits until the work is over and
 * goes on with its results. `deadline_ns` (reef_now_ns scale, 0: none): the task goes on with an error then, whatever the
 * work does. A task that is ended, and the service's end, leave the work alone, too. Raises, with `ud` dropped, outside of
 * a task and when no thread can be made. Own slice only. */
int reef_task_await(lua_State *L, const struct reef_task_work *work, void *ud, uint64_t deadline_ns);

/* For Lua, `reef.await`: count() -> how many works run and wait for a thread, in the process. */
int reef_open_await(lua_State *L);

#endif
