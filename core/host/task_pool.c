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

#include "lgc.h"
#include "lstate.h"

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

static size_t thread_bytes(const lua_State *L) {
	return sizeof(*L) + (size_t)stacksize(L) * sizeof(StackValue) + L->nci * sizeof(CallInfo);
}

/* Has the service left it to us when all is collected? */
static bool is_usual_collector(const global_State *g) {
	return gcrunning(g) && isdecGCmodegen(g) && getgcparam(g->genmajormul) == LUAI_GENMAJORMUL;
}

/* Collections go through all old threads until a whole one finds which are dead. When a quarter of a VM is threads that were
 * dropped, that is due now, and not when the VM has grown to its double. */
static void collect_dropped(struct reef_host *host, size_t bytes) {
	global_State *g = G(host->L);
	if (!is_usual_collector(g))
		return;
	size_t all = gettotalbytes(g), due = all / (100 + LUAI_GENMAJORMUL) * 100;
	size_t dropped = host->pool_dropped + bytes * 256 / all;
	host->pool_dropped = (uint8_t)(dropped < 64 ? dropped : 0);
	if (dropped < 64)
		return;
	if (g->gckind == KGC_GEN && g->GCestimate > due)
		g->GCestimate = due;
	if (g->GCdebt < 0)
		luaE_setdebt(g, 0);
}

static __attribute__((noinline)) void end_window(struct reef_host *host) {
	if (host->pool_low > POOL_KEPT) {
		size_t bytes = 0;
		for (uint32_t n = host->pool_low / 2; n; n--) {
			struct reef_task *idle = host->pool;
			host->pool = idle->next;
			host->pooled--;
			bytes += thread_bytes(idle->L);
			reef_task_pool_drop(idle);
		}
		collect_dropped(host, bytes);
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
