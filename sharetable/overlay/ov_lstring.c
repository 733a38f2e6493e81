/* lstring.c with another internshrstr: strings that this VM does not have yet are looked up in the process' pool of
 * identifiers before they are created. Looking here first keeps the lexer right, which knows reserved words and `_ENV`
 * by address: those are made with the VM, and found before the pool is asked. */
#include "ov.h"

#include "pool.h"

static TString *reef_intern(lua_State *L, const char *str, size_t l);
static TString *stock_internshrstr(lua_State *L, const char *str, size_t l) __attribute__((unused));

/* Renames the definition of internshrstr but sends its callers to reef_intern: the first argument's first word tells
 * which of the two this is. Should upstream rename its parameters, this fails to compile. */
#define internshrstr(a, b, c) REEF_INTERN_##a, b, c)
#define REEF_INTERN_lua_State stock_internshrstr(lua_State
#define REEF_INTERN_L reef_intern(L
#include "lstring.c"
#undef internshrstr

static TString *reef_intern(lua_State *L, const char *str, size_t l) {
	global_State *g = G(L);
	unsigned int hash = luaS_hash(str, l, g->seed);
	TString *ts;
	for (ts = g->strt.hash[lmod(hash, g->strt.size)]; ts != NULL; ts = ts->u.hnext) {
		if (ts->shrlen == l && memcmp(getstr(ts), str, l) == 0) {
			if (isdead(g, ts))
				changewhite(ts);
			return ts;
		}
	}
	/* A VM that is being built fixes its own strings in place: they must be its own. What begins with a NUL, as typed values
	 * of BSON do, is no identifier. */
	if (l_likely(completestate(g)) && l > 0 && *str != 0 && (ts = reef_pool_find(str, l, hash)) != NULL)
		return ts;
	if (g->strt.nuse >= g->strt.size)
		growstrtab(L, &g->strt);
	ts = createstrobj(L, l, LUA_VSHRSTR, hash);
	memcpy(getstr(ts), str, l);
	ts->shrlen = cast_byte(l);
	TString **head = &g->strt.hash[lmod(hash, g->strt.size)];
	ts->u.hnext = *head;
	*head = ts;
	g->strt.nuse++;
	return ts;
}
