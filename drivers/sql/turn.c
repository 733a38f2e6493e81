/* See turn.h. Who waits has a struct in the turn's list; the turn uses it again for the next one. Whose turn it is, is said by
 * `holder` alone, also to who has waited for it. */
#include "turn.h"

#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/host/host.h"

#define OVERLOAD ((size_t)1 << 20) /* bytes of statements that wait */

static const char mark;

struct reef_sql_waiter {
	struct reef_wait wait; /* first */
	struct reef_sql_waiter *next, **before;
	struct reef_sql_turn *turn;
	struct reef_task *task;
	const lua_State *L;
	uint64_t since_ns, deadline_ns;
	size_t size;
};

/* ---- bytes that wait ---- */

static void turn_tell(struct reef_sql_turn *turn, bool overloaded) {
	lua_State *L = reef_host_main(turn->host);
	turn->overloaded = overloaded;
	lua_rawgeti(L, LUA_REGISTRYINDEX, turn->told);
	lua_pushboolean(L, overloaded);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK)
		lua_pop(L, 1);
}

/* It waits no longer. */
static void turn_unlink(struct reef_sql_waiter *w) {
	struct reef_sql_turn *turn = w->turn;
	*w->before = w->next;
	if (w->next)
		w->next->before = w->before;
	else
		turn->last = w->before;
	w->next = turn->spare;
	turn->spare = w;
	turn->waiting--;
	turn->bytes -= w->size;
	if (turn->overloaded && turn->bytes == 0)
		turn_tell(turn, false);
}

/* ---- the turn ---- */

bool reef_sql_turn_take(struct reef_sql_turn *turn, const lua_State *L) {
	if (turn->holder == NULL)
		turn->holder = L;
	else if (turn->holder != L)
		return false;
	turn->depth++;
	return true;
}

static void turn_leave(struct reef_sql_turn *turn, const lua_State *L) {
	if (turn->holder != L || --turn->depth > 0)
		return;
	struct reef_sql_waiter *w = turn->first;
	turn->holder = NULL;
	if (w == NULL)
		return;
	struct reef_task *task = w->task;
	turn->holder = w->L;
	turn->depth = 1;
	turn_unlink(w);
	reef_task_wake(task, 0);
}

/* ---- waiting for it ---- */

static void waiter_cancel(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	turn_unlink((struct reef_sql_waiter *)wait);
}

static void turn_set_timer(struct reef_sql_turn *turn, uint64_t deadline_ns);

static void turn_timer(struct reef_host *host, void *ud) {
	(void)host;
	struct reef_sql_turn *turn = ud;
	uint64_t now = reef_now_ns(), next = UINT64_MAX;
	turn->timer = 0;
	struct reef_sql_waiter *w = turn->first;
	while (w) {
		if (w->deadline_ns <= now) {
			struct reef_task *task = w->task;
			lua_pushnumber(reef_task_thread(task), (lua_Number)(lua_Integer)w->since_ns / 1e9);
			turn_unlink(w);
			/* It may end others. */
			reef_task_resume(task, 1);
			w = turn->first;
			next = UINT64_MAX;
			continue;
		}
		if (w->deadline_ns < next)
			next = w->deadline_ns;
		w = w->next;
	}
	if (next != UINT64_MAX)
		turn_set_timer(turn, next);
}

/* One that is due earlier looks again. */
static void turn_set_timer(struct reef_sql_turn *turn, uint64_t deadline_ns) {
	if (deadline_ns == UINT64_MAX || (turn->timer && turn->timer_ns <= deadline_ns))
		return;
	if (turn->timer)
		reef_host_timer_cancel(turn->host, turn->timer);
	turn->timer_ns = deadline_ns;
	turn->timer = reef_host_timer_add(turn->host, deadline_ns, turn_timer, turn);
}

int reef_sql_turn_wait(lua_State *L, int index, size_t size, uint64_t deadline_ns, lua_KFunction k) {
	struct reef_sql_turn *turn = lua_touserdata(L, index);
	struct reef_task *task = reef_task_running(L);
	struct reef_sql_waiter *w = turn->spare;
	if (w)
		turn->spare = w->next;
	else
		w = reef_malloc(sizeof *w);
	*w = (struct reef_sql_waiter){
			.wait = {.cancel = waiter_cancel, .what = "turn"},
			.before = turn->last,
			.turn = turn,
			.task = task,
			.L = L,
			.since_ns = reef_now_ns(),
			.deadline_ns = deadline_ns,
			.size = size,
	};
	*turn->last = w;
	turn->last = &w->next;
	turn->waiting++;
	size_t before = turn->bytes;
	turn->bytes += size;
	turn_set_timer(turn, deadline_ns);
	if (turn->told != LUA_NOREF && before < OVERLOAD && turn->bytes >= OVERLOAD)
		turn_tell(turn, true);
	return reef_task_suspend_with(L, &w->wait, k, index);
}

bool reef_sql_turn_came(const struct reef_sql_turn *turn, const lua_State *L) {
	return turn->holder == L;
}

/* ---- the userdata ---- */

struct reef_sql_turn *reef_sql_turn_new(lua_State *L, int told) {
	struct reef_sql_turn *turn = lua_newuserdatauv(L, sizeof *turn, REEF_SQL_VALUES);
	memset(turn, 0, sizeof *turn);
	turn->mark = &mark;
	turn->host = reef_host_of(L);
	turn->last = &turn->first;
	turn->told = LUA_NOREF;
	luaL_setmetatable(L, REEF_SQL_TURN);
	if (told) {
		lua_pushvalue(L, told);
		turn->told = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	return turn;
}

struct reef_sql_turn *reef_sql_turn_check(lua_State *L, int index) {
	struct reef_sql_turn *turn = lua_touserdata(L, index);
	/* Sooner than by metatable: this is asked twice for each statement. */
	if (turn == NULL || lua_rawlen(L, index) != sizeof *turn || turn->mark != &mark)
		luaL_typeerror(L, index, REEF_SQL_TURN);
	return turn;
}

int reef_sql_turn_close(lua_State *L) {
	turn_leave(reef_sql_turn_check(L, 1), L);
	return 0;
}

int reef_sql_turn_gc(lua_State *L) {
	struct reef_sql_turn *turn = reef_sql_turn_check(L, 1);
	if (turn->timer)
		reef_host_timer_cancel(turn->host, turn->timer);
	turn->timer = 0;
	turn->core = NULL;
	luaL_unref(L, LUA_REGISTRYINDEX, turn->told);
	turn->told = LUA_NOREF;
	while (turn->spare) {
		struct reef_sql_waiter *w = turn->spare;
		turn->spare = w->next;
		reef_free(w);
	}
	return 0;
}
