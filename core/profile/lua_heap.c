/* Walks through the heap of the service that calls, for Lua: an object, to be closed. */
#include "lua_heap.h"

#include <stdlib.h>

#include <lauxlib.h>

#include "core/host/host.h"
#include "heap.h"

#define TYPE "reef.heap"

enum { PATH_SIZE = 512 };

static struct reef_heap *check(lua_State *L) {
	return luaL_checkudata(L, 1, TYPE);
}

/* begin(most objects) -> a walk, which has to be closed: until then nothing is collected */
static int heap_begin(lua_State *L) {
	lua_Integer most = luaL_checkinteger(L, 1);
	luaL_argcheck(L, most > 0, 1, "objects");
	struct reef_heap *heap = lua_newuserdatauv(L, sizeof(*heap), 0);
	*heap = (struct reef_heap){0};
	luaL_setmetatable(L, TYPE);
	luaL_checkstack(L, 4, NULL);
	reef_heap_begin(heap, L, (size_t)most);
	/* The coroutine that calls may be gone first. */
	lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
	heap->L = lua_tothread(L, -1);
	lua_pop(L, 1);
	return 1;
}

/* walk:step(ns) -> whether it is over, objects that were looked into, objects that are known of */
static int heap_step(lua_State *L) {
	struct reef_heap *heap = check(L);
	uint64_t ns = (uint64_t)luaL_checkinteger(L, 2);
	/* What the engine allocates for a message could meet the limit while the collector stands still: no message then. */
	if (reef_host_is_limited(reef_host_of(L)))
		ns = UINT64_MAX;
	lua_pushboolean(L, !heap->holding || reef_heap_step(heap, ns));
	lua_pushinteger(L, (lua_Integer)heap->next);
	lua_pushinteger(L, (lua_Integer)heap->nodes.count);
	return 3;
}

static void push_types(lua_State *L, const struct reef_heap *heap) {
	static const char *const names[REEF_HEAP_TYPES] = {"string", "table", "function", "userdata",
													   "thread", "proto", "upvalue"};
	lua_createtable(L, 0, REEF_HEAP_TYPES);
	for (int i = 0; i < REEF_HEAP_TYPES; i++) {
		lua_createtable(L, 0, 2);
		lua_pushinteger(L, (lua_Integer)heap->types[i].count);
		lua_setfield(L, -2, "count");
		lua_pushinteger(L, (lua_Integer)heap->types[i].bytes);
		lua_setfield(L, -2, "bytes");
		lua_setfield(L, -2, names[i]);
	}
}

struct largest {
	uint64_t bytes;
	size_t node;
};

static int compare(const void *a, const void *b) {
	const struct largest *x = a, *y = b;
	if (x->bytes != y->bytes)
		return x->bytes > y->bytes ? -1 : 1;
	return x->node < y->node ? -1 : x->node > y->node;
}

/* The nodes with most hanging on them, at least `least` bytes, in a userdata on top of the stack. */
static struct largest *push_largest(lua_State *L, const struct reef_heap *heap, uint64_t least, size_t *n) {
	size_t count = 0, all = heap->nodes.count;
	for (size_t i = 0; i < all; i++)
		count += heap->nodes.items[i].bytes >= least;
	struct largest *list = lua_newuserdatauv(L, (count + 1) * sizeof(*list), 0);
	*n = 0;
	for (size_t i = 0; i < all; i++)
		if (heap->nodes.items[i].bytes >= least)
			list[(*n)++] = (struct largest){heap->nodes.items[i].bytes, i};
	qsort(list, *n, sizeof(*list), compare);
	return list;
}

/* walk:result(most paths, least bytes) -> {complete =, types =, paths =, bytes =, parents =}; the last three are lists: path,
 * bytes that hang on it, number of the object before, 0 if that is not in the list. Ends the walk. */
static int heap_result(lua_State *L) {
	struct reef_heap *heap = check(L);
	size_t most = (size_t)luaL_checkinteger(L, 2), n;
	uint64_t least = (uint64_t)luaL_checkinteger(L, 3);
	luaL_argcheck(L, heap->holding, 1, "the walk is over");
	luaL_checkstack(L, 10, NULL);
	reef_heap_sum(heap);
	lua_createtable(L, 0, 5);
	int result = lua_gettop(L);
	lua_pushboolean(L, !heap->full && heap->next == heap->nodes.count);
	lua_setfield(L, result, "complete");
	push_types(L, heap);
	lua_setfield(L, result, "types");
	const struct largest *list = push_largest(L, heap, least, &n);
	if (n > most)
		n = most;
	struct reef_ptrmap numbers; /* node + 1 -> number in the list */
	reef_ptrmap_init(&numbers);
	for (size_t i = 0; i < n; i++)
		reef_ptrmap_put(&numbers, (void *)(list[i].node + 1), (void *)(i + 1));
	lua_Integer *parents = lua_newuserdatauv(L, (n + 1) * sizeof(*parents), 0);
	for (size_t i = 0; i < n; i++) {
		size_t parent = heap->nodes.items[list[i].node].parent;
		parents[i] =
				parent == list[i].node ? 0 : (lua_Integer)(uintptr_t)reef_ptrmap_get(&numbers, (void *)(parent + 1));
	}
	reef_ptrmap_fini(&numbers);
	static const char *const columns[] = {"paths", "bytes", "parents"};
	for (int column = 0; column < 3; column++) {
		lua_createtable(L, (int)n, 0);
		for (size_t i = 0; i < n; i++) {
			char path[PATH_SIZE];
			if (column == 0) {
				reef_heap_path(heap, list[i].node, path, sizeof path);
				lua_pushstring(L, path);
			} else {
				lua_pushinteger(L, column == 1 ? (lua_Integer)list[i].bytes : parents[i]);
			}
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		lua_setfield(L, result, columns[column]);
	}
	lua_settop(L, result);
	reef_heap_let_go(heap);
	reef_heap_fini(heap);
	return 1;
}

/* It is over, whether it was done or not. */
static int heap_close(lua_State *L) {
	struct reef_heap *heap = check(L);
	reef_heap_let_go(heap);
	reef_heap_fini(heap);
	return 0;
}

int reef_open_heap(lua_State *L) {
	static const luaL_Reg functions[] = {{"begin", heap_begin}, {NULL, NULL}};
	static const luaL_Reg methods[] = {{"step", heap_step},     {"result", heap_result}, {"close", heap_close},
									   {"__close", heap_close}, {"__gc", heap_close},    {NULL, NULL}};
	if (luaL_newmetatable(L, TYPE)) {
		luaL_setfuncs(L, methods, 0);
		lua_pushvalue(L, -1);
		lua_setfield(L, -2, "__index");
	}
	luaL_newlib(L, functions);
	return 1;
}
