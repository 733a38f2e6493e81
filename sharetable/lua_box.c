/* reef.box: what lualib/skynet/sharedata/corelib.lua is made of. A box is a frozen table that is counted by hand.
 *
 * Nobody proves that a VM has let go of a box, as versions.h does. So nothing of it is ever seen by a VM: tables are light
 * userdata, strings are copied when they are read.
 */
#include "lua_box.h"

#include "sharetable/overlay/ov.h" /* before lauxlib.h, which would turn on Lua's assertions */

#include <lauxlib.h>
#include <stdatomic.h>
#include <stdbool.h>

#include "core/alloc.h"
#include "freeze.h"
#include "snapshot.h"

struct box {
	struct reef_snapshot *snapshot;
	atomic_size_t refs; /* one more than are counted by hand, until it is deleted */
	atomic_bool dirty, deleted;
};

static struct box *check_box(lua_State *L, int index) {
	luaL_checktype(L, index, LUA_TLIGHTUSERDATA);
	return lua_touserdata(L, index);
}

static const Table *check_node(lua_State *L, int index) {
	luaL_checktype(L, index, LUA_TLIGHTUSERDATA);
	return lua_touserdata(L, index);
}

static size_t lua_box_leave(struct box *box) {
	size_t left = atomic_fetch_sub(&box->refs, 1) - 1;
	if (left == 0) {
		reef_snapshot_delete(box->snapshot);
		reef_free(box);
	}
	return left;
}

/* new(table) -> box */
static int lua_box_new(lua_State *L) {
	char why[512];
	luaL_checktype(L, 1, LUA_TTABLE);
	struct box *box = reef_try_malloc(sizeof(*box));
	if (box == NULL)
		return luaL_error(L, "not enough memory");
	*box = (struct box){.snapshot = reef_snapshot_table(L, 1, "data", why, sizeof(why)), .refs = 1};
	if (box->snapshot == NULL) {
		reef_free(box);
		return luaL_error(L, "%s", why);
	}
	lua_pushlightuserdata(L, box);
	return 1;
}

/* delete(box): it goes as soon as nobody counts on it. */
static int l_delete(lua_State *L) {
	struct box *box = check_box(L, 1);
	if (!atomic_exchange(&box->deleted, true))
		lua_box_leave(box);
	return 0;
}

static int push_refs(lua_State *L, const struct box *box, size_t refs) {
	lua_pushinteger(L, (lua_Integer)refs - !atomic_load(&box->deleted));
	return 1;
}

static int l_getref(lua_State *L) {
	struct box *box = check_box(L, 1);
	return push_refs(L, box, atomic_load(&box->refs));
}

static int l_incref(lua_State *L) {
	struct box *box = check_box(L, 1);
	return push_refs(L, box, atomic_fetch_add(&box->refs, 1) + 1);
}

static int l_decref(lua_State *L) {
	struct box *box = check_box(L, 1);
	bool deleted = atomic_load(&box->deleted);
	size_t left = lua_box_leave(box);
	lua_pushinteger(L, (lua_Integer)left - !deleted);
	return 1;
}

static int l_markdirty(lua_State *L) {
	atomic_store(&check_box(L, 1)->dirty, true);
	return 0;
}

static int l_isdirty(lua_State *L) {
	lua_pushboolean(L, atomic_load(&check_box(L, 1)->dirty));
	return 1;
}

/* root(box) -> node */
static int l_root(lua_State *L) {
	lua_pushlightuserdata(L, check_box(L, 1)->snapshot->table);
	return 1;
}

/* Pushes a value and whether it is a node. */
static int lua_box_push_value(lua_State *L, const TValue *v) {
	bool is_node = ttistable(v);
	if (ttisstring(v)) {
		lua_pushlstring(L, getstr(tsvalue(v)), tsslen(tsvalue(v)));
	} else if (is_node) {
		lua_pushlightuserdata(L, hvalue(v));
	} else if (isempty(v) || iscollectable(v)) {
		lua_pushnil(L);
	} else {
		setobj2s(L, REEF_TOP(L), v);
		REEF_TOP(L)++;
	}
	lua_pushboolean(L, is_node);
	return 2;
}

/* get(node, key) -> value, is it a node */
static int l_get(lua_State *L) {
	const Table *t = check_node(L, 1);
	luaL_checkany(L, 2);
	return lua_box_push_value(L, luaH_get((Table *)t, s2v(REEF_CI_FUNC(L->ci) + 2)));
}

static int l_len(lua_State *L) {
	lua_pushinteger(L, (lua_Integer)check_node(L, 1)->alimit);
	return 1;
}

/* next(node, key or nil) -> key, value, is it a node; or nil */
static int lua_box_next(lua_State *L) {
	const Table *t = check_node(L, 1);
	lua_settop(L, 2);
	luaL_checkstack(L, 4, NULL);
	/* On the stack of this function alone, and gone before anything may collect. */
	if (!luaH_next(L, (Table *)t, REEF_TOP(L) - 1))
		return 0;
	TValue key = *s2v(REEF_TOP(L) - 1), value = *s2v(REEF_TOP(L));
	setnilvalue(s2v(REEF_TOP(L) - 1));
	setnilvalue(s2v(REEF_TOP(L)));
	lua_box_push_value(L, &key);
	lua_pop(L, 1);
	return 1 + lua_box_push_value(L, &value);
}

int reef_box_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"new", lua_box_new},   {"delete", l_delete},   {"getref", l_getref},
			{"incref", l_incref},   {"decref", l_decref},   {"markdirty", l_markdirty},
			{"isdirty", l_isdirty}, {"root", l_root},       {"get", l_get},
			{"len", l_len},         {"next", lua_box_next}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
