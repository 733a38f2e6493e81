/* ldebug.c with the hooks of ov.h, and alarms (interrupt.h), which are found where the VM looks for debug hooks. */
#include "ov.h"

#include "interrupt.h"

#define luaG_traceexec stock_luaG_traceexec
static int stock_luaG_traceexec(lua_State *L, const Instruction *pc);
#include "ldebug.c"
#undef luaG_traceexec

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
	L->hookmask &= ~REEF_INTERRUPT_MASK;
	return stock_luaG_traceexec(L, pc);
}
