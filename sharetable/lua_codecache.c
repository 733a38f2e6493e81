/* skynet.codecache: the code cache for Lua. */
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "codecache.h"
#include "core/alloc.h"
#include "overlay/pool.h"
#include "vm.h"

static const char *const mode_names[] = {"ON", "OFF", "EXIST", NULL};

/* mode() -> name; mode(name) */
static int l_mode(lua_State *L) {
	struct reef_vm *vm = reef_vm_of(L);
	if (lua_isnoneornil(L, 1)) {
		lua_pushstring(L, mode_names[vm->cache_mode]);
		return 1;
	}
	vm->cache_mode = (enum reef_cache_mode)luaL_checkoption(L, 1, NULL, mode_names);
	return 0;
}

static int l_clear(lua_State *L) {
	lua_pushinteger(L, (lua_Integer)reef_codecache_clear());
	return 1;
}

/* evict(filename) -> was it there */
static int l_evict(lua_State *L) {
	lua_pushboolean(L, reef_codecache_evict(luaL_checkstring(L, 1)) > 0);
	return 1;
}

/* loadfile([filename [, mode [, env]]]) -> function, or nil and a message; as the base library's. */
static int l_loadfile(lua_State *L) {
	const char *name = luaL_optstring(L, 1, NULL);
	const char *mode = luaL_optstring(L, 2, NULL);
	bool has_env = !lua_isnone(L, 3);
	if (reef_codecache_load(L, name, mode) != LUA_OK) {
		luaL_pushfail(L);
		lua_insert(L, -2);
		return 2;
	}
	if (has_env) {
		lua_pushvalue(L, 3);
		if (lua_setupvalue(L, -2, 1) == NULL)
			lua_pop(L, 1);
	}
	return 1;
}

/* The statistics are gathered with the cache locked, so nothing there may raise: into a C list first. */
struct stat_list {
	struct stat_entry {
		struct reef_code_stat stat;
		char *name;
	} * entries;
	size_t count, capacity;
};

static void collect(void *ud, const struct reef_code_stat *stat) {
	struct stat_list *list = ud;
	if (list->count == list->capacity) {
		list->capacity = list->capacity == 0 ? 64 : list->capacity * 2;
		list->entries = reef_realloc(list->entries, list->capacity * sizeof(*list->entries));
	}
	list->entries[list->count++] = (struct stat_entry){*stat, reef_strdup(stat->name)};
}

static int free_list(lua_State *L) {
	struct stat_list *list = lua_touserdata(L, 1);
	for (size_t i = 0; i < list->count; i++)
		reef_free(list->entries[i].name);
	reef_free(list->entries);
	*list = (struct stat_list){0};
	return 0;
}

static void set_integer(lua_State *L, const char *name, size_t value) {
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, name);
}

/* stat() -> { files = { { name=, bytes=, vms=, current= } ... }, bytes=, strings=, string_bytes= } */
static int l_stat(lua_State *L) {
	struct stat_list *list = lua_newuserdatauv(L, sizeof(*list), 0);
	*list = (struct stat_list){0};
	lua_createtable(L, 0, 1);
	lua_pushcfunction(L, free_list);
	lua_setfield(L, -2, "__gc");
	lua_setmetatable(L, -2);
	reef_codecache_stat(collect, list);
	lua_createtable(L, 0, 4);
	lua_createtable(L, (int)list->count, 0);
	size_t bytes = 0;
	for (size_t i = 0; i < list->count; i++) {
		const struct stat_entry *entry = &list->entries[i];
		lua_createtable(L, 0, 4);
		lua_pushstring(L, entry->name);
		lua_setfield(L, -2, "name");
		set_integer(L, "bytes", entry->stat.bytes);
		set_integer(L, "vms", entry->stat.vms);
		lua_pushboolean(L, entry->stat.current);
		lua_setfield(L, -2, "current");
		lua_rawseti(L, -2, (lua_Integer)i + 1);
		bytes += entry->stat.bytes;
	}
	lua_setfield(L, -2, "files");
	set_integer(L, "bytes", bytes);
	size_t strings, string_bytes;
	reef_pool_stat(&strings, &string_bytes);
	set_integer(L, "strings", strings);
	set_integer(L, "string_bytes", string_bytes);
	return 1;
}

int reef_codecache_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"mode", l_mode},         {"clear", l_clear}, {"evict", l_evict},
			{"loadfile", l_loadfile}, {"stat", l_stat},   {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
