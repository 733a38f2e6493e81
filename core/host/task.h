/* Tasks: the coroutines that the dispatcher runs, and how they wait.
 *
 * For C modules that make a coroutine wait for something (a socket, a reply): take the running task, suspend it with a
 * `struct reef_wait` that says how to give up, and later, from an event, push the results on the task's thread and resume
 * it. Own slice only. */
#ifndef REEF_TASK_H
#define REEF_TASK_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

struct reef_host;
struct reef_task; /* one coroutine that the dispatcher runs */

/* Why a task is suspended. Lives in the waiter's own memory until the task goes on or `cancel` was called. */
struct reef_wait {
	/* The task goes away (killthread, the service ends): forget it, whatever comes later is to be dropped. */
	void (*cancel)(struct reef_wait *wait, struct reef_task *task);
	const char *of, *what; /* words for lists of tasks, as "redis" and "GET"; `of` may be NULL */
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
/* The same, but `k` goes on with that context; the values that it is resumed with lie above what was the top. It cannot be
 * failed. */
int reef_task_suspend_with(lua_State *L, struct reef_wait *wait, lua_KFunction k, lua_KContext context);

/* Goes on with a suspended task at once: the `n` values on top of its thread are the results. Only from an event or a
 * callback, never from inside another task's C function (use reef_task_wake there). */
void reef_task_resume(struct reef_task *task, int n);
/* The same, but what the task was waiting in raises the value on top of its thread. */
void reef_task_fail(struct reef_task *task);
/* Queues the task to be resumed with those n values later in this turn, after what runs now; in order. */
void reef_task_wake(struct reef_task *task, int n);
/* Queues the task to be failed with the value on top of its thread. */
void reef_task_wake_fail(struct reef_task *task);

/* ---- for the dispatcher ---- */

/* Runs it with the function and `n` arguments on its stack, or goes on with `n` results. */
void reef_task_run(struct reef_task *task, int n);
/* Queues one with its function and arguments on its stack, to begin at the turn's end. */
void reef_task_fork(struct reef_task *task);
/* All that is due at the end of a turn: wakes, failures, forks. */
void reef_task_turn(struct reef_host *host);
/* Ends a C function with a wait of the host's own (no struct reef_wait). */
int reef_task_block(lua_State *L, struct reef_task *task, lua_KFunction k);
/* Queues a waiting task among the failed calls, with `n` values on its thread. */
void reef_task_wake_failure(struct reef_task *task, int n);
/* Takes back a wait: what it waited for is forgotten. */
void reef_task_cancel_wait(struct reef_task *task);
/* Ends a task that does not run: its wait is cancelled, its request answered with an error, its coroutine closed. */
void reef_task_kill(struct reef_task *task, const char *reason);
/* Kills all tasks, the one that asked for the end last. */
void reef_task_end_all(struct reef_host *host);

#endif
