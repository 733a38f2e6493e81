/* ldebug.c with the hooks of ov.h, and alarms (interrupt.h), which are found where the VM looks for debug hooks but need
 * none: they also reach code in which hooks are off. */
#include "ov.h"

#include "interrupt.h"

#define luaG_traceexec stock_luaG_traceexec
static int stock_luaG_traceexec(lua_State *L, const Instruction *pc);
#include "ldebug.c"
#undef luaG_traceexec

/* A bit of the hook mask that stands for no hook. With any bit set the VM looks more closely at each function that it
 * begins; a hook that is set meanwhile may take it away, but not the traps of the functions that run. */
#define MASK_ALARM (1 << 6)

_Thread_local struct reef_interrupt reef_interrupt;

static void watch(lua_State *L) {
	L->hookmask |= MASK_ALARM;
	settraps(L->ci);
}

bool reef_interrupt_raise(int alarm) {
	lua_State *L = reef_interrupt.running;
	if (L == NULL)
		return false;
	__atomic_fetch_or(&reef_interrupt.alarm, alarm, __ATOMIC_RELAXED);
	watch(L);
	return true;
}

static void clear(int alarm) {
	__atomic_fetch_and(&reef_interrupt.alarm, ~alarm, __ATOMIC_RELAXED);
}

void reef_interrupt_pass_on(lua_State *L) {
	if (L == NULL)
		clear(REEF_INTERRUPT_ONCE | REEF_INTERRUPT_ALWAYS);
	else
		watch(L);
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
static l_noret fail(lua_State *L, const char *message) {
	const CallInfo *ci = L->ci;
	message = luaO_pushfstring(L, "%s", message);
	while (!isLua(ci) && ci != &L->base_ci)
		ci = ci->previous;
	if (isLua(ci))
		luaG_addinfo(L, message, ci_func(ci)->p->source, getcurrentline((CallInfo *)ci));
	luaG_errormsg(L);
}

static void pay(lua_State *L, struct reef_budget *budget, int64_t steps) {
	uint64_t memory = gettotalbytes(G(L));
	budget->left -= steps;
	if (memory > budget->memory)
		budget->left -= (int64_t)((memory - budget->memory) / REEF_BYTES_OF_STEP);
	budget->memory = memory;
	if (budget->left < 0) {
		L->errfunc = 0;
		fail(L, budget->message);
	}
}

void reef_interrupt_heed(lua_State *L, int64_t steps) {
	int alarm = __atomic_load_n(&reef_interrupt.alarm, __ATOMIC_RELAXED);
	if (alarm & REEF_INTERRUPT_ALWAYS) {
		L->errfunc = 0;
		fail(L, "interrupted: the service is to end");
	}
	if (alarm & REEF_INTERRUPT_ONCE) {
		clear(REEF_INTERRUPT_ONCE);
		leave_message_handler(L);
		fail(L, "signal 0");
	}
	for (struct reef_budget *budget = reef_interrupt.budget; budget != NULL; budget = budget->outer)
		pay(L, budget, steps);
}

int luaG_traceexec(lua_State *L, const Instruction *pc) {
	if (reef_interrupt.alarm != 0) {
		L->ci->u.l.savedpc = pc + 1;
		StkId top = REEF_TOP(L);
		/* The error must not overwrite what the function's <close> variables and upvalues hold. */
		if (REEF_TOP(L) < REEF_CI_TOP(L->ci))
			REEF_TOP(L) = REEF_CI_TOP(L->ci);
		reef_interrupt_heed(L, 1);
		REEF_TOP(L) = top;
		stock_luaG_traceexec(L, pc);
		return L->ci->u.l.trap = 1;
	}
	L->hookmask &= ~MASK_ALARM;
	return stock_luaG_traceexec(L, pc);
}

void reef_budget_begin(lua_State *L, struct reef_budget *budget) {
	budget->memory = gettotalbytes(G(L));
	budget->outer = reef_interrupt.budget;
	reef_interrupt.budget = budget;
	__atomic_fetch_or(&reef_interrupt.alarm, REEF_INTERRUPT_COUNTED, __ATOMIC_RELAXED);
	watch(L);
}

void reef_budget_end(struct reef_budget *budget) {
	reef_interrupt.budget = budget->outer;
	if (budget->outer == NULL)
		clear(REEF_INTERRUPT_COUNTED);
}
