/* ldebug.c with the hooks of ov.h, alarms (interrupt.h), which are found where the VM looks for debug hooks, and the places
 * of blame.h in front of messages. */
#include "ov.h"

#include "blame.h"
#include "interrupt.h"

#define luaG_traceexec stock_luaG_traceexec
static int stock_luaG_traceexec(lua_State *L, const Instruction *pc);

/* Renames the definition but sends its caller elsewhere: see ov_lstring.c. */
#define luaG_addinfo(a, ...) REEF_ADDINFO_##a, __VA_ARGS__)
#define REEF_ADDINFO_lua_State stock_addinfo(lua_State
#define REEF_ADDINFO_L reef_addinfo(L
static const char *reef_addinfo(lua_State *L, const char *message, TString *source, int line);
LUAI_FUNC const char *stock_addinfo(lua_State *L, const char *message, TString *source, int line);
#include "ldebug.c"
#undef luaG_addinfo
#undef luaG_traceexec

const char *luaG_addinfo(lua_State *L, const char *message, TString *source, int line) {
	return stock_addinfo(L, message, source, line);
}

static const char *reef_addinfo(lua_State *L, const char *message, TString *source, int line) {
	struct reef_blame blame;
	if (!reef_blame(L, &blame))
		return stock_addinfo(L, message, source, line);
	if (blame.name == NULL || blame.no_object)
		return reef_blame_push(L, &blame, message);
	return lua_pushfstring(L, "%s:%d: %s, in '%s'", blame.file, blame.line, message, blame.name);
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
	L->hookmask &= ~REEF_INTERRUPT_MASK;
	return stock_luaG_traceexec(L, pc);
}
