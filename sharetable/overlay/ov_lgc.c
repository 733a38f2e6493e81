/* lgc.c, whose two ways in are seen from outside (collector.h), which tells when all that lives is marked (referrers.h), and
 * which ends VMs that lie in one block faster (closing.h). */
#include "ov.h"

#include "closing.h"
#include "collector.h"
#include "referrers.h"

#define luaC_step collector_step
#define luaC_fullgc collector_full
#define luaC_freeallobjects stock_free_all
/* The last deed of the atomic phase before the colours change their meaning. */
#define luaS_clearcache(g) (reef_referrers_collected(g), luaS_clearcache(g))
#include "lgc.c"
#undef luaC_step
#undef luaC_fullgc
#undef luaC_freeallobjects
#undef luaS_clearcache

struct reef_collector_watch reef_collector_watch;

LUAI_FUNC void luaC_step(lua_State *L);
LUAI_FUNC void luaC_fullgc(lua_State *L, int isemergency);

static uint64_t begin(void) {
	return reef_collector_watch.begins ? reef_collector_watch.begins() : 0;
}

static void end(uint64_t since) {
	if (reef_collector_watch.ended)
		reef_collector_watch.ended(since);
}

/* The answer to a call is put on the stack of the coroutine that waits for it. Finalizers that run meanwhile run there, and
 * are not to find that it has yielded. */
void luaC_step(lua_State *L) {
	uint64_t since = begin();
	lu_byte status = L->status;
	L->status = LUA_OK;
	collector_step(L);
	L->status = status;
	end(since);
}

void luaC_fullgc(lua_State *L, int isemergency) {
	uint64_t since = begin();
	collector_full(L, isemergency);
	end(since);
}

_Thread_local struct reef_closing reef_closing;

static int lies_in_block(const void *p) {
	return (size_t)((const char *)p - reef_closing.begin) < reef_closing.size;
}

/* Is nothing of Lua run when they end? Then they need not be found as a collector leaves them. */
static int end_in_c(lua_State *L) {
	for (GCObject *o = G(L)->finobj; o != NULL; o = o->next) {
		TValue v;
		setgcovalue(L, &v, o);
		const TValue *end = luaT_gettmbyobj(L, &v, TM_GC);
		if (!notm(end) && !ttislcf(end) && !ttisCclosure(end))
			return 0;
	}
	return G(L)->tobefnz == NULL;
}

/* Of a table in the block what has grown out of it goes. */
static void free_parts(lua_State *L, Table *t) {
	unsigned int size = luaH_realasize(t);
	if (reef_is_shared(t)) /* they are lent */
		return;
	if (!isdummy(t) && !lies_in_block(t->node))
		luaM_freearray(L, t->node, cast_sizet(sizenode(t)));
	if (size > 0 && !lies_in_block(t->array))
		luaM_freearray(L, t->array, size);
}

/* Objects in the block that others refer to, or that have more than one part. */
static void free_in_block(lua_State *L, GCObject *o) {
	if (o->tt == LUA_VTABLE)
		free_parts(L, gco2t(o));
	else if (o->tt == LUA_VTHREAD || o->tt == LUA_VPROTO || (o->tt == LUA_VUPVAL && upisopen(gco2upv(o))))
		freeobj(L, o);
}

static void free_object(lua_State *L, GCObject *o) {
	if (lies_in_block(o))
		free_in_block(L, o);
	else if (o->tt == LUA_VSHRSTR) /* nobody looks for it any more */
		luaM_freemem(L, o, sizelstring(gco2ts(o)->shrlen));
	else
		freeobj(L, o);
}

static void free_all_in_block(lua_State *L) {
	global_State *g = G(L);
	g->gcstp = GCSTPCLS;
	g->finobjold1 = NULL; /* the end is for those, too, that a young collection would pass by */
	separatetobefnz(g, 1);
	callallpendingfinalizers(L);
	GCObject *lists[] = {g->allgc, g->fixedgc};
	for (int i = 0; i < 2; i++) {
		for (GCObject *o = lists[i], *next; o != NULL && o != obj2gco(g->mainthread); o = next) {
			next = o->next;
			free_object(L, o);
		}
	}
}

LUAI_FUNC void luaC_freeallobjects(lua_State *L);

void luaC_freeallobjects(lua_State *L) {
	if (reef_closing.size == 0 || !end_in_c(L))
		stock_free_all(L);
	else
		free_all_in_block(L);
	reef_referrers_end(G(L));
}
