/* See interrupt.h. An alarm is found where the VM looks for debug hooks (ov_ldebug.c) but needs none: it also reaches code
 * in which hooks are off. */
#include "ov.h"

#include "interrupt.h"

_Thread_local struct reef_interrupt reef_interrupt;

static void alarm_watch(lua_State *L) {
	L->hookmask |= REEF_INTERRUPT_MASK;
	for (CallInfo *ci = L->ci; ci != NULL; ci = ci->previous) {
		if (isLua(ci))
			ci->u.l.trap = 1;
	}
}

bool reef_interrupt_raise(int alarm) {
	lua_State *L = reef_interrupt.running;
	if (L == NULL)
		return false;
	__atomic_fetch_or(&reef_interrupt.alarm, alarm, __ATOMIC_RELAXED);
	alarm_watch(L);
	return true;
}

static void alarm_clear(int alarm) {
	__atomic_fetch_and(&reef_interrupt.alarm, ~alarm, __ATOMIC_RELAXED);
}

/* ---- looks ---- */

static void (*look)(lua_State *L, bool left);

/* The stack may be on its way to another place: then the function lies nowhere in the old one. Its slot may be half
 * written, too, which is why nothing is read through it. */
static void (*function_of(const lua_State *L, const CallInfo *ci))(void) {
	StkId function = REEF_CI_FUNC(ci);
	if (function < REEF_STACK(L) || function >= REEF_STACK_LAST(L) || rawtt(s2v(function)) != LUA_VLCF)
		return NULL;
	return (void (*)(void))val_(s2v(function)).f;
}

void reef_interrupt_ask(struct reef_interrupt_seen *seen) {
	lua_State *L = reef_interrupt.running;
	*seen = (struct reef_interrupt_seen){.L = L};
	if (!reef_interrupt_raise(REEF_INTERRUPT_LOOK))
		return;
	const CallInfo *ci = L->ci;
	seen->frame = ci;
	seen->in_c = !isLua(ci) && ci != &L->base_ci;
	if (seen->in_c)
		seen->function = function_of(L, ci);
}

void reef_interrupt_set_look(void (*f)(lua_State *L, bool left)) {
	__atomic_store_n(&look, f, __ATOMIC_RELEASE);
}

static void take_look(lua_State *L, bool left) {
	alarm_clear(REEF_INTERRUPT_LOOK);
	void (*f)(lua_State *, bool) = __atomic_load_n(&look, __ATOMIC_ACQUIRE);
	if (f)
		f(L, left);
}

void reef_interrupt_left(lua_State *L) {
	if (reef_interrupt.alarm & REEF_INTERRUPT_LOOK)
		take_look(L, true);
}

void reef_interrupt_pass_on(lua_State *L) {
	if (L == NULL)
		alarm_clear(REEF_INTERRUPT_ONCE | REEF_INTERRUPT_ALWAYS);
	else
		alarm_watch(L);
}

/* A message handler that does not end would be called again for each error that is to end it. */
static void leave_message_handler(lua_State *L) {
	if (L->errfunc == 0)
		return;
	const TValue *handler = s2v(restorestack(L, L->errfunc));
	for (CallInfo *ci = L->ci; ci != &L->base_ci; ci = ci->previous) {
		const TValue *function = s2v(REEF_CI_FUNC(ci));
		if (iscollectable(function) && iscollectable(handler) && gcvalue(function) == gcvalue(handler)) {
			L->errfunc = 0;
			return;
		}
	}
}

/* The place is that of the innermost function of Lua, which may have called one of C. */
static l_noret alarm_fail(lua_State *L, const char *message) {
	const CallInfo *ci = L->ci;
	message = luaO_pushfstring(L, "%s", message);
	while (!isLua(ci) && ci != &L->base_ci)
		ci = ci->previous;
	if (isLua(ci))
		luaG_addinfo(L, message, ci_func(ci)->p->source,
					 luaG_getfuncline(ci_func(ci)->p, pcRel(ci->u.l.savedpc, ci_func(ci)->p)));
	luaG_errormsg(L);
}

static void budget_pay(lua_State *L, struct reef_budget *budget, int64_t steps) {
	uint64_t memory = gettotalbytes(G(L));
	budget->left -= steps;
	if (memory > budget->memory)
		budget->left -= (int64_t)((memory - budget->memory) / REEF_BYTES_OF_STEP);
	budget->memory = memory;
	if (budget->left < 0) {
		L->errfunc = 0;
		alarm_fail(L, budget->message);
	}
}

void reef_interrupt_heed(lua_State *L, int64_t steps) {
	int alarm = __atomic_load_n(&reef_interrupt.alarm, __ATOMIC_RELAXED);
	if (alarm & REEF_INTERRUPT_LOOK)
		take_look(L, false);
	if (alarm & REEF_INTERRUPT_ALWAYS) {
		L->errfunc = 0;
		alarm_fail(L, "interrupted: the service is to end");
	}
	if (alarm & REEF_INTERRUPT_ONCE) {
		alarm_clear(REEF_INTERRUPT_ONCE);
		leave_message_handler(L);
		alarm_fail(L, "signal 0");
	}
	for (struct reef_budget *budget = reef_interrupt.budget; budget != NULL; budget = budget->outer)
		budget_pay(L, budget, steps);
}

void reef_interrupt_budget_begin(lua_State *L, struct reef_budget *budget) {
	budget->memory = gettotalbytes(G(L));
	budget->outer = reef_interrupt.budget;
	reef_interrupt.budget = budget;
	__atomic_fetch_or(&reef_interrupt.alarm, REEF_INTERRUPT_COUNTED, __ATOMIC_RELAXED);
	alarm_watch(L);
}

void reef_interrupt_budget_end(struct reef_budget *budget) {
	reef_interrupt.budget = budget->outer;
	if (budget->outer == NULL)
		alarm_clear(REEF_INTERRUPT_COUNTED);
}
