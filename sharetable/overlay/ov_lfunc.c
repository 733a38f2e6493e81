/* lfunc.c with the hooks of ov.h: an upvalue that is closed notes what it refers to from now on. Nothing else of Lua does at
 * that moment, since the collector does not mind as long as it is white. */
#include "ov.h"

static inline void reef_unlinkupval(lua_State *L, UpVal *uv);

/* Leaves the definition of luaF_unlinkupval as it is but sends its caller to reef_unlinkupval: see ov_lstring.c. */
#define luaF_unlinkupval(a) REEF_UNLINKUPVAL_##a)
#define REEF_UNLINKUPVAL_UpVal luaF_unlinkupval(UpVal
#define REEF_UNLINKUPVAL_uv reef_unlinkupval(L, uv
#include "lfunc.c"
#undef luaF_unlinkupval

/* A dead coroutine closes its upvalues, too: some may be dead as well. */
static inline void reef_unlinkupval(lua_State *L, UpVal *uv) {
	const TValue *v = REEF_UPVALUE(uv);
	if (iscollectable(v) && l_unlikely(reef_is_passing(gcvalue(v))) && !isdead(G(L), obj2gco(uv)))
		reef_refers(L, obj2gco(uv));
	luaF_unlinkupval(uv);
}
