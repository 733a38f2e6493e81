/* The memory of tasks.
 *
 * A task's thread is anchored in the registry once and used again for the next message after lua_settop(0), which is
 * ten times cheaper than a new one. Its extra space points to the task; all other threads (the main one, coroutines
 * that user code makes) point to a header of the host that is not a task. The pool shrinks by half of what was idle
 * during the last thousand tasks and turns: idle threads cost memory, and time in each collection. Everything belongs to the
 * host; own slice only. */
#include "task_pool.h"

#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "host_private.h"
#include "trace.h"

enum { POOL_WINDOW = 1024, POOL_KEPT = 16 };

inline struct reef_task *reef_task_pool_take(struct reef_host *host) {
	struct reef_task *task = host->pool;
	if (task) {
		host->pool = task->next;
		if (--host->pooled < host->pool_low)
			host->pool_low = host->pooled;
		task->serial = ++host->serial;
		return task;
	}
	bool no_limit = host->no_limit;
	host->no_limit = true;
	task = host->spare;
	if (task) {
		host->spare = task->next;
		memset(task, 0, sizeof(*task));
	} else {
		task = reef_calloc(1, sizeof(*task));
	}
	task->host = host;
	task->serial = ++host->serial;
	task->L = lua_newthread(host->L);
	reef_task_set_header(task->L, task);
	task->ref = luaL_ref(host->L, LUA_REGISTRYINDEX);
	host->no_limit = no_limit;
	task->all_next = host->all;
	if (host->all)
		host->all->all_prev = task;
	host->all = task;
	return task;
}

void reef_task_pool_drop(struct reef_task *task) {
	struct reef_host *host = task->host;
	reef_task_set_header(task->L, &host->gone);
	luaL_unref(host->L, LUA_REGISTRYINDEX, task->ref);
	if (task->all_prev)
		task->all_prev->all_next = task->all_next;
	else
		host->all = task->all_next;
	if (task->all_next)
		task->all_next->all_prev = task->all_prev;
	task->state = TASK_FREE;
	task->serial = 0;
	task->next = host->spare;
	host->spare = task;
}

static __attribute__((noinline)) void end_window(struct reef_host *host) {
	if (host->pool_low > POOL_KEPT) {
		for (uint32_t n = host->pool_low / 2; n; n--) {
			struct reef_task *idle = host->pool;
			host->pool = idle->next;
			host->pooled--;
			reef_task_pool_drop(idle);
		}
	}
	host->pool_window = 0;
	host->pool_low = host->pooled;
}

inline void reef_task_pool_give_back(struct reef_task *task) {
	struct reef_host *host = task->host;
	lua_settop(task->L, 0);
	if (task->flags & TASK_TAGGED) {
		reef_trace_event(task, "end", NULL);
		reef_trace_forget(task);
	}
	task->state = TASK_FREE;
	task->serial = 0;
	task->flags = 0;
	task->session = 0;
	task->source = 0;
	task->next = host->pool;
	host->pool = task;
	host->pooled++;
	if (++host->pool_window >= POOL_WINDOW)
		end_window(host);
}

inline void reef_task_pool_turn(struct reef_host *host) {
	if (host->pool_low > POOL_KEPT && ++host->pool_window >= POOL_WINDOW)
		end_window(host);
}

void reef_task_pool_empty(struct reef_host *host) {
	while (host->pool) {
		struct reef_task *task = host->pool;
		host->pool = task->next;
		reef_task_pool_drop(task);
	}
	host->pooled = host->pool_low = 0;
}

void reef_task_pool_free(struct reef_host *host) {
	while (host->spare) {
		struct reef_task *task = host->spare;
		host->spare = task->next;
		reef_free(task);
	}
}
