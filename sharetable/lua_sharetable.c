/* reef.sharetable: what lualib/skynet/sharetable.lua is made of. */
#include "lua_sharetable.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <lauxlib.h>
#include <lualib.h>

#include "core/alloc.h"
#include "core/host/name_check.h"
#include "core/seam.h"
#include "handover.h"
#include "literal.h"
#include "recorded.h"
#include "scratch.h"
#include "snapshot.h"
#include "stat_list.h"
#include "versions.h"
#include "vm.h"

#define REASON_SIZE 1024

static void retry_later(lua_State *L);

/* Runs while a VM has versions that it could not let go: created anew as long as that is so, collected each cycle. */
static int retry(lua_State *L) {
	reef_vm_of(L)->looks_again = false;
	(void)reef_versions_update_rest(L);
	if (reef_versions_pinned(reef_vm_of(L)))
		retry_later(L);
	return 0;
}

/* After an update that could not let go of an old version: tries again after each of the VM's collections. One for all updates:
 * where each step needs the collector for its memory, two would have each other finalized without end. */
static void retry_later(lua_State *L) {
	struct reef_vm *vm = reef_vm_of(L);
	if (vm->looks_again)
		return;
	lua_newuserdatauv(L, 0, 0);
	if (luaL_newmetatable(L, "reef.sharetable.retry")) {
		lua_pushcfunction(L, retry);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
	vm->looks_again = true;
}

/* publish(name, table) -> nothing, or why it cannot be shared */
static int l_publish(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	char why[REASON_SIZE];
	luaL_checktype(L, 2, LUA_TTABLE);
	struct reef_snapshot *snapshot = reef_snapshot_table(L, 2, name, why, sizeof(why));
	if (snapshot != NULL && reef_versions_publish(snapshot))
		return 0;
	lua_pushstring(L, snapshot == NULL ? why : "not enough memory");
	return 1;
}

/* query(name) -> table or nil */
static int lua_sharetable_query(lua_State *L) {
	const char *name = reef_check_name(L, 1);
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		return reef_recorded_query(L, seam, name);
	if (!reef_versions_query(L, name))
		lua_pushnil(L);
	return 1;
}

/* update(name...) */
static int l_update(lua_State *L) {
	int n = lua_gettop(L);
	struct reef_seam *seam = reef_seam_here();
	for (int i = 1; i <= n; i++) {
		if (seam)
			reef_recorded_update(L, seam, reef_check_name(L, i));
		else if (!reef_versions_update(L, reef_check_name(L, i)))
			return luaL_error(L, "sharetable.update '%s': not enough memory", lua_tostring(L, i));
	}
	/* When the collector comes to it is in no record. */
	if (!seam && reef_versions_pinned(reef_vm_of(L)))
		retry_later(L);
	return 0;
}

/* ---- loading in a VM of its own ---- */

#define REQUEST "reef.sharetable.request"

/* Who asked does not wait any more: what the loader has not come to, nobody will. */
static int request_close(lua_State *L) {
	int64_t *number = luaL_checkudata(L, 1, REQUEST);
	struct reef_snapshot *snapshot = reef_handover_take(*number);
	if (snapshot != NULL)
		reef_snapshot_delete(snapshot);
	return 0;
}

/* Pushes what frees the arguments unless the loader has taken them, when it is closed or collected. */
static int64_t *push_request(lua_State *L) {
	int64_t *number = lua_newuserdatauv(L, sizeof(*number), 0);
	*number = 0;
	if (luaL_newmetatable(L, REQUEST)) {
		lua_pushcfunction(L, request_close);
		lua_pushvalue(L, -1);
		lua_setfield(L, -3, "__gc");
		lua_setfield(L, -2, "__close");
	}
	lua_setmetatable(L, -2);
	return number;
}

static void freeze_arguments(lua_State *L, int index, int64_t *number, char why[REASON_SIZE]) {
	struct reef_snapshot *arguments = reef_snapshot_table(L, index, "argument", why, REASON_SIZE);
	if (arguments == NULL)
		return;
	*number = reef_handover_leave(arguments);
	if (*number != 0)
		return;
	reef_snapshot_delete(arguments);
	snprintf(why, REASON_SIZE, "not enough memory");
}

/* freeze(...) -> number, request: by the number another VM can take over the arguments of a load; the request is to be closed
 * when it is over. */
static int l_freeze(lua_State *L) {
	char why[REASON_SIZE] = "";
	struct reef_seam *seam = reef_seam_here();
	int n = lua_gettop(L);
	lua_createtable(L, n, 1);
	for (int i = 1; i <= n; i++) {
		lua_pushvalue(L, i);
		lua_rawseti(L, -2, i);
	}
	lua_pushinteger(L, n);
	lua_setfield(L, -2, "n");
	bool real = seam == NULL || reef_recorded_freeze(L, seam);
	int64_t *number = push_request(L);
	if (real)
		freeze_arguments(L, -2, number, why);
	int64_t told = reef_seam_number(REEF_SEAM_RESULT, *number);
	if (told == 0)
		return luaL_error(L, "%s", reef_seam_text(REEF_SEAM_RESULT, why));
	lua_pushinteger(L, told);
	lua_insert(L, -2);
	return 2;
}

struct load {
	const char *name, *path, *cpath;
	bool is_file;
	const struct reef_snapshot *arguments; /* the file's name or the source, then those of the chunk */
	struct reef_snapshot *result;
	char why[REASON_SIZE]; /* empty: memory was out */
};

static void set_path(lua_State *L, const char *field, const char *path) {
	lua_getglobal(L, LUA_LOADLIBNAME);
	lua_pushstring(L, path);
	lua_setfield(L, -2, field);
	lua_pop(L, 1);
}

static int message_handler(lua_State *L) {
	luaL_tolstring(L, 1, NULL);
	return 1;
}

/* Makes the table on top of the stack what was loaded. */
static void share_result(lua_State *L, struct load *load) {
	char why[REASON_SIZE];
	load->result = reef_snapshot_table(L, -1, load->name, why, sizeof(why));
	if (load->result == NULL)
		luaL_error(L, "%s", why);
}

/* Pushes the table that a file is, if it is a literal. Whatever hinders that, luaL_loadfilex will say. */
static bool push_literal_file(lua_State *L, const char *path) {
	struct stat about;
	if (stat(path, &about) != 0 || !S_ISREG(about.st_mode) || about.st_size > INT_MAX)
		return false;
	char *text = lua_newuserdatauv(L, (size_t)about.st_size + 1, 0);
	FILE *file = fopen(path, "rb");
	size_t n = file == NULL ? 0 : fread(text, 1, (size_t)about.st_size, file);
	if (file != NULL)
		fclose(file);
	text[n] = '\0';
	bool marked = strncmp(text, "\xef\xbb\xbf", 3) == 0;
	if (n != (size_t)about.st_size || !reef_literal_push(L, text + 3 * marked, n - 3 * marked)) {
		lua_pop(L, 1);
		return false;
	}
	return true;
}

static int run_load(lua_State *L) {
	struct load *load = lua_touserdata(L, 1);
	lua_settop(L, 0);
	reef_snapshot_push(L, load->arguments);
	lua_rawgeti(L, 1, 1);
	size_t size;
	const char *text = lua_tolstring(L, 2, &size);
	if (text == NULL)
		return luaL_error(L, "%s is a %s, not a string", load->is_file ? "the file's name" : "the source",
						  luaL_typename(L, 2));
	if (load->is_file)
		reef_check_name_at(L, 2, "file");
	if (load->is_file ? push_literal_file(L, text) : reef_literal_push(L, text, size)) {
		share_result(L, load);
		return 0;
	}
	luaL_openlibs(L);
	set_path(L, "path", load->path);
	set_path(L, "cpath", load->cpath);
	lua_pushfstring(L, "=%s", load->name);
	int status =
			load->is_file ? luaL_loadfilex(L, text, NULL) : luaL_loadbufferx(L, text, size, lua_tostring(L, 3), "bt");
	if (status != LUA_OK)
		return lua_error(L);
	lua_getfield(L, 1, "n");
	int n = (int)lua_tointeger(L, -1);
	lua_pop(L, 1);
	luaL_checkstack(L, n + 4, "too many arguments");
	for (int i = 2; i <= n; i++)
		lua_rawgeti(L, 1, i);
	lua_call(L, n - 1, 1);
	if (!lua_istable(L, -1))
		return luaL_error(L, "%s returns a %s, not a table", load->is_file ? text : "the source", luaL_typename(L, -1));
	share_result(L, load);
	return 0;
}

/* Runs the load in a VM of its own, and ends that. */
static void run_in_new_vm(struct load *load) {
	struct reef_scratch_heap heap;
	reef_scratch_init(&heap);
	lua_State *L = lua_newstate(reef_scratch_alloc, &heap);
	if (L != NULL) {
		/* What a load makes stays until it is frozen: collecting early is in vain. */
		lua_gc(L, LUA_GCINC, 1000, 0, 0);
		lua_pushcfunction(L, message_handler);
		lua_pushcfunction(L, run_load);
		lua_pushlightuserdata(L, load);
		if (lua_pcall(L, 1, 0, 1) != LUA_OK)
			snprintf(load->why, sizeof(load->why), "%s",
					 lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : "error in error handling");
		lua_close(L);
	}
	reef_scratch_fini(&heap);
}

/* The arguments are taken when nothing is left that may raise. */
static bool take_and_run(struct load *load, lua_Integer number) {
	struct reef_snapshot *arguments = reef_handover_take(number);
	if (arguments == NULL) {
		snprintf(load->why, sizeof(load->why), "who asked for it does not wait any more");
		return false;
	}
	load->arguments = arguments;
	run_in_new_vm(load);
	reef_snapshot_delete(arguments);
	return load->result != NULL && reef_versions_publish(load->result);
}

/* load(name, is_file, number) -> nothing, or why it failed. The first argument is the file's name or the source. */
static int l_load(lua_State *L) {
	size_t size;
	struct load load = {.name = luaL_checklstring(L, 1, &size), .is_file = lua_toboolean(L, 2)};
	lua_Integer number = luaL_checkinteger(L, 3);
	if (strlen(load.name) != size) {
		lua_pushliteral(L, "the name contains a zero byte");
		return 1;
	}
	lua_getglobal(L, LUA_LOADLIBNAME);
	lua_getfield(L, -1, "path");
	lua_getfield(L, -2, "cpath");
	load.path = lua_tostring(L, -2);
	load.cpath = lua_tostring(L, -1);
	if (take_and_run(&load, number))
		return 0;
	lua_pushstring(L, load.why[0] == '\0' ? "not enough memory" : load.why);
	return 1;
}

/* ---- statistics ---- */

static void lua_sharetable_collect(void *list, const struct reef_version_stat *stat) {
	reef_stat_list_add(list, stat);
}

/* stat() -> list, bytes mapped for all that is shared. The list is { { name=, version=, bytes=, current=, address=, left=, pinned_by= } ... }, one for each pair of a version and a
 * service that holds it; without `address` if nobody does. */
static int lua_sharetable_stat(lua_State *L) {
	struct reef_stat_list *list = reef_stat_list_new(L, sizeof(struct reef_version_stat));
	reef_versions_stat(lua_sharetable_collect, list);
	size_t count = reef_stat_list_count(L, list);
	lua_createtable(L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		const struct reef_version_stat *stat = reef_stat_list_get(list, i);
		lua_createtable(L, 0, 7);
		reef_stat_string(L, "name", stat->name);
		reef_stat_integer(L, "version", stat->number);
		reef_stat_integer(L, "bytes", stat->bytes);
		reef_stat_boolean(L, "current", stat->current);
		if (stat->address != 0)
			reef_stat_integer(L, "address", stat->address);
		reef_stat_integer(L, "left", stat->left);
		reef_stat_string(L, "pinned_by", stat->pinned_by);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_pushinteger(L, (lua_Integer)reef_mapped());
	return 2;
}

int reef_sharetable_open(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"publish", l_publish}, {"query", lua_sharetable_query}, {"update", l_update}, {"freeze", l_freeze},
			{"load", l_load},       {"stat", lua_sharetable_stat},   {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
