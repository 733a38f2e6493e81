/* Builds of VMs for copies: see copy_build.h. */
#include "sharetable/overlay/ov.h" /* before lauxlib.h, which would turn on Lua's assertions */

#include "copy_build.h"

#include <lopcodes.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "allocator.h"
#include "core/alloc.h"
#include "host_private.h"
#include "prepare.h"
#include "protocol.h"
#include "sharetable/overlay/pool.h"

enum { BUILD_MEMORY = 4 << 20, COLLECTIONS = 6, STRINGS = 32 };

static size_t rounded(size_t size) {
	return (size + 15) & ~(size_t)15;
}

static void *build_allocate(void *ud, void *p, size_t old_size, size_t new_size) {
	struct reef_build *build = ud;
	struct reef_build_block *block = NULL;
	if (new_size > 0) {
		if (new_size > BUILD_MEMORY || rounded(new_size) + sizeof(*block) > BUILD_MEMORY - build->used) {
			build->full = true;
			return NULL;
		}
		block = (void *)(build->memory + build->used);
		*block = (struct reef_build_block){.size = new_size, .is = block + 1};
		build->used += sizeof(*block) + rounded(new_size);
		build->bytes += new_size;
		if (p)
			memcpy(block + 1, p, old_size < new_size ? old_size : new_size);
	}
	if (p) {
		((struct reef_build_block *)p - 1)->is = NULL;
		build->bytes -= old_size;
	}
	return block ? block + 1 : NULL;
}

struct reef_build_block *reef_build_next(const struct reef_build *build, struct reef_build_block *block) {
	char *next = block ? (char *)(block + 1) + rounded(block->size) : build->memory;
	return next < build->memory + build->used ? (struct reef_build_block *)(void *)next : NULL;
}

/* ---- may it be copied? ---- */

static bool is_key_fixed(const Node *n) {
	/* Others are found by their address, which is another one in the copy. */
	return isempty(gval(n)) || keytt(n) == LUA_VNIL || !keyiscollectable(n) || novariant(keytt(n)) == LUA_TSTRING;
}

static const char *refuse_table(const Table *t) {
	for (int i = 0; i < sizenode(t); i++) {
		if (!is_key_fixed(gnode(t, i)))
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

static const char *refuse_object(lua_State *L, GCObject *o) {
	switch (o->tt) {
	case LUA_VTABLE:
		return refuse_table(gco2t(o));
	case LUA_VUSERDATA:
		return refuse_userdata(L, gco2u(o));
	case LUA_VTHREAD:
		return gco2th(o) == G(L)->mainthread ? NULL : "a coroutine";
	default:
		return NULL;
	}
}

static const char *refuse_list(lua_State *L, GCObject *list) {
	const char *why = NULL;
	for (; list != NULL && why == NULL; list = list->next)
		why = refuse_object(L, list);
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

/* Objects of scripts whose ends somebody would see. */
static const char *refuse_finalizers(lua_State *L) {
	for (const GCObject *o = G(L)->finobj; o != NULL; o = o->next) {
		if (o->tt != LUA_VUSERDATA)
			return "an object with a finalizer";
	}
	return NULL;
}

static const char *refuse_vm(lua_State *L, const struct reef_host *host) {
	const global_State *g = G(L);
	if (L->openupval != NULL || L->hookmask != 0 || g->tobefnz != NULL)
		return "what is left over in the VM";
	const char *why = refuse_host(host);
	if (why == NULL)
		why = refuse_list(L, g->allgc);
	return why ? why : refuse_list(L, g->finobj);
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
static void clear_node(Node *n) {
	if (ttisnil(gval(n)) || ttisfalse(gval(n)) || ttistrue(gval(n)))
		memset(&val_(gval(n)), 0, sizeof(Value));
	if (isempty(gval(n))) {
		setnilkey(n);
		memset(&keyval(n), 0, sizeof(Value));
	}
}

static void clear_table(Table *t) {
	unsigned int size = luaH_realasize(t);
	for (unsigned int i = 0; i < size; i++)
		clear_value(&t->array[i]);
	if (isdummy(t))
		return;
	for (int i = 0; i < sizenode(t); i++)
		clear_node(gnode(t, i));
}

static void clear_object(GCObject *o) {
	if (o->tt == LUA_VTABLE) {
		clear_table(gco2t(o));
	} else if (o->tt == LUA_VUPVAL) {
		clear_value(REEF_UPVALUE(gco2upv(o)));
	} else if (o->tt == LUA_VCCL) {
		for (int i = 0; i < gco2ccl(o)->nupvalues; i++)
			clear_value(&gco2ccl(o)->upvalue[i]);
	}
}

/* What calls have left above the top of the stack, and in frames that are not in use. */
static void clear_stack(lua_State *L) {
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

/* The state of math.random, which every copy gets anew. */
static void find_random(struct reef_build *build, lua_State *L) {
	lua_getglobal(L, LUA_MATHLIBNAME);
	lua_getfield(L, -1, "random");
	if (lua_getupvalue(L, -1, 1) && lua_type(L, -1) == LUA_TUSERDATA && lua_rawlen(L, -1) == REEF_RANDOM_SIZE) {
		char *state = lua_touserdata(L, -1);
		memset(state, 0, REEF_RANDOM_SIZE);
		build->random = (size_t)(state - build->memory);
	}
	lua_settop(L, 1);
}

static int prepared(lua_State *L) {
	find_random(lua_touserdata(L, 1), L);
	return 0;
}

/* Runs the main function and looks at what it does. */
static const char *begin(struct reef_build *build, lua_State *L, const char *arguments) {
	if (!reef_watch_begin(&build->watch, L))
		return "no memory";
	lua_gc(L, LUA_GCSTOP);
	int status = reef_prepare_begin(L, arguments);
	reef_watch_end(L);
	lua_gc(L, LUA_GCRESTART);
	if (build->watch.refusal)
		return build->watch.refusal;
	if (build->full)
		return "it is too large";
	return status == LUA_OK ? refuse_finalizers(L) : "its loading has failed";
}

/* All garbage goes. What is there when a service begins stays for long: its collector need not look at it again and
 * again. */
static int settle(lua_State *L) {
	const struct reef_build *build = lua_touserdata(L, 1);
	lua_settop(L, 0);
	for (int i = 0; i < COLLECTIONS; i++)
		lua_gc(L, LUA_GCCOLLECT);
	if (build->begun)
		lua_gc(L, LUA_GCGEN, 0, 0);
	return 0;
}

static bool uses_arguments(const lua_State *L) {
	const Proto *p = clLvalue(s2v(REEF_STACK(L) + REEF_PREPARED_MAIN))->p;
	for (int i = 0; i < p->sizecode; i++) {
		if (GET_OPCODE(p->code[i]) == OP_VARARG)
			return true;
	}
	return false;
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

static void clear_vm(struct reef_build *build, lua_State *L) {
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
			clear_object(o);
	}
	clear_stack(L);
	reef_prepare_allowance(L);
}

static bool run(struct reef_build *build, lua_State *L, lua_CFunction f) {
	lua_pushcfunction(L, f);
	lua_pushlightuserdata(L, build);
	return lua_pcall(L, 1, 0, 0) == LUA_OK;
}

/* Makes the VM; returns why it cannot be copied. */
static const char *make_vm(struct reef_build *build, const char *arguments) {
	if (build->begun)
		reef_protocol_begin(build->host);
	int status = reef_prepare(build->host, build_allocate, build, arguments);
	lua_State *L = build->host->L;
	if (status != LUA_OK)
		return "its loading has failed";
	if (!lua_isfunction(L, REEF_PREPARED_MAIN) || lua_iscfunction(L, REEF_PREPARED_MAIN))
		return "a loader of others";
	build->varies = uses_arguments(L);
	const char *passed = lua_tolstring(L, REEF_PREPARED_PASSED, &build->passed_size);
	if (build->passed_size > 0)
		build->passed = memcpy(reef_malloc(build->passed_size + 1), passed, build->passed_size + 1);
	lua_settop(L, REEF_PREPARED_MAIN);
	if (!run(build, L, prepared))
		return "its loading has failed";
	const char *why = build->begun ? begin(build, L, arguments) : NULL;
	lua_settop(L, build->begun ? REEF_PREPARED_TRACEBACK : REEF_PREPARED_MAIN);
	if (why == NULL && !run(build, L, settle))
		why = "its loading has failed";
	if (why == NULL)
		why = build->full ? "it is too large" : refuse_beginning(build);
	return why ? why : refuse_vm(L, build->host);
}

bool reef_build_begin(struct reef_build *build, const struct reef_host *host, const char *arguments, bool begun) {
	*build = (struct reef_build){.memory = reef_try_map(BUILD_MEMORY), .begun = begun};
	if (build->memory == NULL) {
		build->failure = "no memory";
		return false;
	}
	build->host = reef_host_new(host->service);
	build->failure = make_vm(build, arguments);
	lua_State *L = build->host->L;
	if (build->failure != NULL)
		return false;
	clear_vm(build, L);
	lua_setallocf(L, reef_allocator_run, build->host);
	return true;
}

void reef_build_end(struct reef_build *build) {
	const struct reef_record_hooks *record = reef_host_hooks()->record;
	if (build->host && build->host->L && record)
		record->drop(record->find(build->host->L));
	reef_unmap(build->memory, BUILD_MEMORY);
	if (build->host) {
		reef_free(build->host->warning);
		reef_protocol_fini(build->host);
	}
	reef_watch_fini(&build->watch);
	reef_free(build->host);
	reef_free(build->passed);
	*build = (struct reef_build){0};
}
