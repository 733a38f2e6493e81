/* skynet.codecache: the code cache for Lua. */
#include "lua_codecache.h"

#include <stdbool.h>

#include <lauxlib.h>

#include "codecache.h"
#include "core/host/name_check.h"
#include "sharetable/overlay/pool.h"
#include "stat_list.h"
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
	lua_pushboolean(L, reef_codecache_evict(reef_check_name(L, 1)) > 0);
	return 1;
}

/* loadfile([filename [, mode [, env]]]) -> function, or nil and a message; as the base library's. */
static int l_loadfile(lua_State *L) {
	const char *name = reef_opt_name(L, 1, NULL);
	const char *mode = reef_opt_name(L, 2, NULL);
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

static void lua_codecache_collect(void *list, const struct reef_code_stat *stat) {
	reef_stat_list_add(list, stat);
}

/* stat() -> { files = { { name=, bytes=, vms=, current= } ... }, bytes=, strings=, string_bytes= } */
static int lua_codecache_stat(lua_State *L) {
	struct reef_stat_list *list = reef_stat_list_new(L, sizeof(struct reef_code_stat));
	reef_codecache_stat(lua_codecache_collect, list);
	size_t count = reef_stat_list_count(L, list), bytes = 0;
	lua_createtable(L, 0, 4);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		const struct reef_code_stat *stat = reef_stat_list_get(list, i);
		lua_createtable(L, 0, 4);
		reef_stat_string(L, "name", stat->name);
		reef_stat_integer(L, "bytes", stat->bytes);
		reef_stat_integer(L, "vms", stat->vms);
		reef_stat_boolean(L, "current", stat->current);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
		bytes += stat->bytes;
	}
	lua_setfield(L, -2, "files");
	reef_stat_integer(L, "bytes", bytes);
	size_t strings, string_bytes;
	reef_pool_stat(&strings, &string_bytes);
	reef_stat_integer(L, "strings", strings);
	reef_stat_integer(L, "string_bytes", string_bytes);
	return 1;
}

int reef_codecache_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"mode", l_mode},         {"clear", l_clear},           {"evict", l_evict},
			{"loadfile", l_loadfile}, {"stat", lua_codecache_stat}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
