/* What a VM looks like that depends on nothing but what it holds, and which VMs cannot be brought there: see copy_form.h. */
#include "sharetable/overlay/ov.h" /* before lauxlib.h, which would turn on Lua's assertions */

#include "copy_form.h"

#include <string.h>

#include <lauxlib.h>

#include "collector.h"
#include "copy_build.h"
#include "host_private.h"
#include "sharetable/overlay/interrupt.h"
#include "sharetable/overlay/pool.h"

enum { STRINGS = 32 };

/* ---- may it be copied? ---- */

/* Others are those that all VMs share. */
static bool is_of_build(const struct reef_build *build, const GCObject *o) {
	return (size_t)((const char *)o - build->memory) < build->used;
}

/* The key of an entry that was removed stays until its place is wanted, for who goes through the table; but the object may
 * be gone. */
static bool is_gone(const struct reef_build *build, const Node *n) {
	return keyisdead(n) && is_of_build(build, gckey(n)) &&
		   ((const struct reef_build_block *)(const void *)gckey(n) - 1)->is == NULL;
}

/* Others are found by their address, which is another one in the copy. */
static bool is_key_fixed(const struct reef_build *build, const Node *n) {
	if (!(keyisdead(n) || keyiscollectable(n)) || is_gone(build, n))
		return true;
	return !is_of_build(build, gckey(n)) || novariant(gckey(n)->tt) == LUA_TSTRING;
}

static const char *refuse_table(const struct reef_build *build, const Table *t) {
	for (int i = 0; i < sizenode(t); i++) {
		if (!is_key_fixed(build, gnode(t, i)))
			return "a table with a key that is found by its address";
	}
	return NULL;
}

/* Of those with a metatable only the libraries' files are known. The others are bytes that functions use which make them
 * their upvalue. */
static const char *refuse_userdata(lua_State *L, const Udata *u) {
	luaL_getmetatable(L, LUA_FILEHANDLE);
	bool is_file = u->metatable != NULL && (const void *)u->metatable == lua_topointer(L, -1);
	lua_pop(L, 1);
	return u->metatable == NULL || is_file ? NULL : "a userdata";
}

static const char *refuse_object(const struct reef_build *build, lua_State *L, GCObject *o) {
	switch (o->tt) {
	case LUA_VTABLE:
		return refuse_table(build, gco2t(o));
	case LUA_VUSERDATA:
		return refuse_userdata(L, gco2u(o));
	case LUA_VTHREAD:
		return gco2th(o) == G(L)->mainthread ? NULL : "a coroutine";
	default:
		return NULL;
	}
}

static const char *refuse_list(const struct reef_build *build, lua_State *L, GCObject *list) {
	const char *why = NULL;
	for (; list != NULL && why == NULL; list = list->next)
		why = refuse_object(build, L, list);
	return why;
}

static const char *refuse_host(const struct reef_host *host) {
	bool is_idle =
			host->all == NULL && host->sessions.count == 0 && host->forks.head == NULL && host->wakes.head == NULL;
	bool is_new = host->raw_callback == 0 && host->tokens == 0 && !host->collector_chosen && !host->exiting &&
				  reef_list_is_empty(&host->responses) && host->memory_limit == 0 && !host->no_warnings &&
				  host->warning == NULL;
	return is_idle && is_new ? NULL : "what the service does before its start function";
}

/* What a copy has only of a VM that has begun. */
static const char *refuse_beginning(const struct reef_build *build) {
	const struct reef_host *host = build->host;
	if (build->begun)
		return build->watch.starts > 0 ? NULL : "it has no start function";
	bool is_new =
			host->unknown_request == 0 && host->unknown_response == 0 && !host->completed && host->protocol_count == 0;
	return is_new ? NULL : "what the service does before its own code begins";
}

/* Objects of scripts whose ends somebody would see. The libraries' own are files, and the list of C libraries, whose finalizer
 * was taken away. */
const char *reef_build_refuse_finalizers(lua_State *L) {
	const char *why = NULL;
	lua_getfield(L, LUA_REGISTRYINDEX, "_CLIBS");
	const void *libraries = lua_topointer(L, -1);
	for (const GCObject *o = G(L)->finobj; o != NULL && why == NULL; o = o->next) {
		if (o->tt != LUA_VUSERDATA && (const void *)o != libraries)
			why = "an object with a finalizer";
	}
	lua_pop(L, 1);
	return why;
}

const char *reef_build_refuse(const struct reef_build *build, lua_State *L) {
	const global_State *g = G(L);
	if (L->openupval != NULL || (L->hookmask & ~REEF_INTERRUPT_MASK) != 0 || g->tobefnz != NULL)
		return "what is left over in the VM";
	const char *why = refuse_beginning(build);
	if (why == NULL)
		why = refuse_host(build->host);
	if (why == NULL)
		why = refuse_list(build, L, g->allgc);
	return why ? why : refuse_list(build, L, g->finobj);
}

/* ---- the form that depends on nothing but what the VM holds ---- */

/* A value's tag is a byte; the seven behind it keep what was there before, of a closed upvalue the half of an address. */
static void clear_value(TValue *v) {
	TValue clean;
	memset(&clean, 0, sizeof(clean));
	if (!ttisnil(v) && !ttisfalse(v) && !ttistrue(v))
		clean.value_ = v->value_;
	clean.tt_ = v->tt_;
	memcpy(v, &clean, sizeof(clean));
}

/* The same in a node, where the key follows the tag. */
static void clear_node(const struct reef_build *build, Node *n) {
	if (ttisnil(gval(n)) || ttisfalse(gval(n)) || ttistrue(gval(n)))
		memset(&val_(gval(n)), 0, sizeof(Value));
	/* It stays dead: a node without a key would be free for others sooner than in a VM that is no copy. */
	if (is_gone(build, n) || keyisnil(n) || keytt(n) == LUA_VFALSE || keytt(n) == LUA_VTRUE)
		memset(&keyval(n), 0, sizeof(Value));
}

static void clear_table(const struct reef_build *build, Table *t) {
	unsigned int size = luaH_realasize(t);
	for (unsigned int i = 0; i < size; i++)
		clear_value(&t->array[i]);
	if (isdummy(t))
		return;
	for (int i = 0; i < sizenode(t); i++)
		clear_node(build, gnode(t, i));
}

static void clear_object(const struct reef_build *build, GCObject *o) {
	if (o->tt == LUA_VTABLE) {
		clear_table(build, gco2t(o));
	} else if (o->tt == LUA_VUPVAL) {
		clear_value(REEF_UPVALUE(gco2upv(o)));
	} else if (o->tt == LUA_VCCL) {
		for (int i = 0; i < gco2ccl(o)->nupvalues; i++)
			clear_value(&gco2ccl(o)->upvalue[i]);
	} else if (o->tt == LUA_VPROTO) {
		for (int i = 0; i < gco2p(o)->sizek; i++)
			clear_value(&gco2p(o)->k[i]);
	} else if (o->tt == LUA_VUSERDATA) {
		for (int i = 0; i < gco2u(o)->nuvalue; i++)
			clear_value(&gco2u(o)->uv[i].uv);
	}
}

/* What calls have left above the top of the stack, and in frames that are not in use. Services run in coroutines, so the
 * stack itself is as small as C functions may expect. */
static void clear_stack(lua_State *L) {
	luaD_reallocstack(L, (int)(REEF_TOP(L) - REEF_STACK(L)) + LUA_MINSTACK, 0);
	for (StkId at = REEF_STACK(L); at < REEF_TOP(L); at++)
		clear_value(s2v(at));
	char *end = (char *)(REEF_STACK_LAST(L) + EXTRA_STACK);
	memset(REEF_TOP(L), 0, (size_t)(end - (char *)REEF_TOP(L)));
	for (CallInfo *ci = L->ci->next; ci != NULL; ci = ci->next) {
		CallInfo *previous = ci->previous, *next = ci->next;
		memset(ci, 0, sizeof(*ci));
		ci->previous = previous;
		ci->next = next;
	}
}

static void forget_string(global_State *g, TString *s) {
	TString **link = &g->strt.hash[s->hash & ((unsigned int)g->strt.size - 1)];
	while (*link != s)
		link = &(*link)->u.hnext;
	*link = s->u.hnext;
	g->strt.nuse--;
}

/* Reserved words and names of metamethods, of which a VM that is made anew has its own: the same strings in the pool stand
 * for them, which the copy finds there when it looks for one. */
static void share_fixed_strings(struct reef_build *build, global_State *g) {
	GCObject **link = &g->fixedgc;
	while (*link != NULL) {
		TString *s = gco2ts(*link), *shared = s->tt == LUA_VSHRSTR ? reef_pool_add(s) : NULL;
		if (shared == NULL || shared->extra != s->extra) {
			link = &s->next;
			continue;
		}
		*link = s->next;
		forget_string(g, s);
		((struct reef_build_block *)(void *)s - 1)->is = shared;
		size_t size = sizelstring(s->shrlen);
		build->bytes -= size;
		g->GCdebt -= (l_mem)size;
	}
}

void reef_build_clear(struct reef_build *build, lua_State *L) {
	global_State *g = G(L);
	share_fixed_strings(build, g);
	/* The table grows with what the service makes. */
	if (g->strt.nuse <= STRINGS && g->strt.size > STRINGS)
		luaS_resize(L, STRINGS);
	for (int i = 0; i < STRCACHE_N; i++) {
		for (int j = 0; j < STRCACHE_M; j++)
			g->strcache[i][j] = g->memerrmsg;
	}
	GCObject *lists[] = {g->allgc, g->finobj};
	for (size_t i = 0; i < sizeof(lists) / sizeof(*lists); i++) {
		for (GCObject *o = lists[i]; o != NULL; o = o->next)
			clear_object(build, o);
	}
	clear_stack(L);
	L->hookmask = 0; /* an alarm may have come by, which is for who runs now */
	reef_collector_allowance(L);
}
