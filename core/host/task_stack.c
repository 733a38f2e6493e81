/* C functions on stacks of their own: see task_stack.h.
 *
 * The body runs in a protected call of a Lua thread of its own, which is in the midst of its C function whenever the stack is parked,
 * like a coroutine that has resumed another. So nothing of the task's coroutine lies on that stack, and the task waits as for anything
 * else. What waits is a userdata that the coroutine closes when it ends in whatever way: so a body always comes to its end, on which
 * it may have counted. */
#include "task_stack.h"

#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/fiber.h"
#include "host.h"
#include "host_private.h"
#include "task.h"

#define CLASS "reef.host.stack"
#define STACKS "reef.host.stacks"
#define STACK_SIZE ((size_t)1 << 20) /* Lua lets C functions call each other 200 deep, some with buffers of a KiB */
#define CS_NS 10000000u

struct task_stack;

/* Of one VM: a userdata in its registry. */
struct stacks {
	struct reef_fiber_pool pool;
	struct task_stack *running; /* whose body runs; NULL: none */
};

/* What a body waits for: on its stack. */
struct stack_call {
	struct reef_host_reply reply; /* first */
	struct task_stack *stack;
	int32_t session, timer; /* 0: none */
	enum reef_called outcome;
	struct reef_reply came;
};

struct task_stack {
	struct reef_wait wait; /* first: a wait is its stack */
	struct reef_host *host;
	struct stacks *stacks;
	struct reef_task *task;   /* that waits */
	struct reef_fiber *fiber; /* NULL: the body has returned */
	lua_State *L;             /* that the body runs on */
	struct stack_call *call;  /* that is waited for; NULL: none, or it is over */
	int status;
	bool ending;
};

/* ---- the body ---- */

static void stack_main(void *ud) {
	struct task_stack *stack = ud;
	stack->status = lua_pcall(stack->L, lua_gettop(stack->L) - 1, LUA_MULTRET, 0);
}

/* Runs the body until it waits (false) or has returned. */
static bool stack_run(struct task_stack *stack) {
	struct reef_host *host = stack->host;
	struct stacks *stacks = stack->stacks;
	struct task_stack *outer = stacks->running;
	lua_State *active = host->active;
	stacks->running = stack;
	host->active = stack->L;
	bool over = reef_fiber_resume(&stacks->pool, stack->fiber);
	host->active = active;
	stacks->running = outer;
	if (over)
		stack->fiber = NULL;
	return over;
}

/* ---- its task ---- */

static int stack_again(lua_State *L, int status, lua_KContext top);

static int stack_go(lua_State *L, struct task_stack *stack) {
	if (!stack_run(stack)) {
		stack->task = reef_task_running(L);
		return reef_task_suspend_with(L, &stack->wait, stack_again, lua_gettop(L));
	}
	int n = lua_gettop(stack->L);
	luaL_checkstack(L, n, "too many results");
	lua_xmove(stack->L, L, n);
	return stack->status == LUA_OK ? n : lua_error(L);
}

static int stack_again(lua_State *L, int status, lua_KContext top) {
	(void)status;
	return stack_go(L, lua_touserdata(L, (int)top));
}

static void stack_forget_call(struct task_stack *stack, enum reef_called outcome) {
	struct stack_call *call = stack->call;
	stack->call = NULL;
	if (call == NULL)
		return;
	call->outcome = outcome;
	if (call->timer)
		reef_host_timer_cancel(stack->host, call->timer);
	if (call->session)
		reef_host_forget(stack->host, call->session);
}

static void stack_cancel(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	stack_forget_call((struct task_stack *)wait, REEF_CALL_ENDING);
}

/* Its coroutine ends. */
static int stack_close(lua_State *L) {
	struct task_stack *stack = luaL_checkudata(L, 1, CLASS);
	stack->ending = true;
	stack_forget_call(stack, REEF_CALL_ENDING);
	while (stack->fiber)
		stack_run(stack);
	return 0;
}

static int stacks_gc(lua_State *L) {
	struct stacks *stacks = luaL_checkudata(L, 1, STACKS);
	reef_fiber_pool_fini(&stacks->pool);
	return 0;
}

static const char key;

/* The VM's; NULL: there have been none. */
static struct stacks *stacks_of(lua_State *L) {
	lua_rawgetp(L, LUA_REGISTRYINDEX, &key);
	struct stacks *stacks = lua_touserdata(L, -1);
	lua_pop(L, 1);
	return stacks;
}

static struct stacks *stacks_new(lua_State *L) {
	struct stacks *stacks = lua_newuserdatauv(L, sizeof *stacks, 0);
	*stacks = (struct stacks){.pool = {.size = STACK_SIZE}};
	if (luaL_newmetatable(L, STACKS)) {
		lua_pushcfunction(L, stacks_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &key);
	return stacks;
}

static struct task_stack *stack_push(lua_State *L, struct stacks *stacks) {
	struct task_stack *stack = lua_newuserdatauv(L, sizeof *stack, 0);
	*stack = (struct task_stack){
			.wait = {.cancel = stack_cancel, .what = "C function"}, .host = reef_host_get(L), .stacks = stacks};
	if (luaL_newmetatable(L, CLASS)) {
		lua_pushcfunction(L, stack_close);
		lua_setfield(L, -2, "__close");
	}
	lua_setmetatable(L, -2);
	return stack;
}

int reef_task_on_stack(lua_State *L, lua_CFunction body) {
	struct stacks *stacks = stacks_of(L);
	if (stacks && stacks->running)
		return body(L);
	reef_task_running(L);
	int n = lua_gettop(L);
	luaL_checkstack(L, n + LUA_MINSTACK, NULL);
	if (stacks == NULL)
		stacks = stacks_new(L);
	lua_State *own = lua_newthread(L);
	luaL_checkstack(own, n + LUA_MINSTACK, NULL);
	lua_pushcfunction(own, body);
	for (int i = 1; i <= n; i++)
		lua_pushvalue(L, i);
	lua_xmove(L, own, n);
	struct task_stack *stack = stack_push(L, stacks);
	stack->L = own;
	lua_toclose(L, -1);
	stack->fiber = reef_fiber_take(&stacks->pool, stack_main, stack);
	if (stack->fiber == NULL)
		return luaL_error(L, "no memory for a stack");
	return stack_go(L, stack);
}

/* ---- waiting ---- */

static void stack_call_over(struct stack_call *call, enum reef_called outcome) {
	struct task_stack *stack = call->stack;
	stack_forget_call(stack, outcome);
	reef_task_resume(stack->task, 0);
}

static void stack_arrived(struct reef_host_reply *reply, bool ok, const char *bytes, size_t n) {
	struct stack_call *call = (struct stack_call *)reply;
	call->session = 0;
	if (n > 0) {
		call->came = (struct reef_reply){.data = reef_malloc(n), .size = n};
		memcpy(call->came.data, bytes, n);
	}
	stack_call_over(call, ok ? REEF_CALL_DONE : REEF_CALL_FAILED);
}

static void stack_late(struct reef_host *host, void *ud) {
	(void)host;
	struct stack_call *call = ud;
	call->timer = 0;
	stack_call_over(call, REEF_CALL_LATE);
}

/* The stack whose body may wait now; NULL, and `why` says why not. */
static struct task_stack *stack_of(lua_State *L, enum reef_called *why) {
	luaL_checkstack(L, 1, NULL);
	const struct stacks *stacks = stacks_of(L);
	struct task_stack *stack = stacks ? stacks->running : NULL;
	bool ending = stack && (stack->ending || stack->host->exiting);
	*why = ending ? REEF_CALL_ENDING : REEF_CALL_OUTSIDE;
	return ending ? NULL : stack;
}

static enum reef_called stack_wait(struct stack_call *call, int time) {
	struct task_stack *stack = call->stack;
	if (time >= 0)
		call->timer = reef_host_timer_add(stack->host, reef_now_ns() + (uint64_t)time * CS_NS, stack_late, call);
	stack->call = call;
	reef_fiber_park(stack->fiber);
	return call->outcome;
}

enum reef_called reef_task_sleep(lua_State *L, int time) {
	struct stack_call call = {.timer = 0};
	enum reef_called why;
	if ((call.stack = stack_of(L, &why)) == NULL)
		return why;
	enum reef_called outcome = stack_wait(&call, time < 0 ? 0 : time);
	return outcome == REEF_CALL_LATE ? REEF_CALL_DONE : outcome;
}

enum reef_called reef_task_call(lua_State *L, uint32_t dest, int type, const void *data, size_t size, int timeout,
								struct reef_reply *reply) {
	struct stack_call call = {.reply = {.arrived = stack_arrived}};
	enum reef_called why;
	if (reply)
		*reply = (struct reef_reply){.data = NULL};
	if ((call.stack = stack_of(L, &why)) == NULL)
		return why;
	struct reef_message *m = reef_message_try_new(size);
	if (m == NULL)
		return REEF_CALL_NOBODY;
	if (size > 0)
		memcpy(m->data, data, size);
	m->type = (uint8_t)type;
	call.session = reef_host_ask(call.stack->host, dest, m, &call.reply);
	if (call.session == 0)
		return REEF_CALL_NOBODY;
	enum reef_called outcome = stack_wait(&call, timeout);
	if (reply)
		*reply = call.came;
	else
		reef_free(call.came.data);
	return outcome;
}
