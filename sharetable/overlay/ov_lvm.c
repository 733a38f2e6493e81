/* lvm.c with the hooks of ov.h: assignments in the VM's loop save their position before they are refused; functions without
 * upvalues are not made anew where shared code has one ready, and those whose code may go are noted. */
#define REEF_OV_LVM
#include "ov.h"

static inline void reef_pushclosure(lua_State *L, Proto *p, UpVal **encup, StkId base, StkId ra);
static void stock_pushclosure(lua_State *L, Proto *p, UpVal **encup, StkId base, StkId ra);

/* Renames the definition of pushclosure but sends its caller to reef_pushclosure: see ov_lstring.c. */
#define pushclosure(a, ...) REEF_PUSHCLOSURE_##a, __VA_ARGS__)
#define REEF_PUSHCLOSURE_lua_State stock_pushclosure(lua_State
#define REEF_PUSHCLOSURE_L reef_pushclosure(L
#include "lvm.c"
#undef pushclosure

static inline void reef_pushclosure(lua_State *L, Proto *p, UpVal **encup, StkId base, StkId ra) {
	if (reef_is_shared(p) && reef_closure_of(p) != NULL) {
		setclLvalue2s(L, ra, reef_closure_of(p));
	} else {
		stock_pushclosure(L, p, encup, base, ra);
		if (l_unlikely(reef_is_passing(p)))
			reef_refers(L, gcvalue(s2v(ra)));
	}
}
