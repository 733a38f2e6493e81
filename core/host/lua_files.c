/* What is at a path, without opening what may be a pipe or a device. Calls block their worker: for commands, not for servers. */
#include "lua_files.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include <lauxlib.h>

#include "name_check.h"

static const char files_directory_type[] = "reef.files.directory";

static int files_failed(lua_State *L, const char *path, int reason) {
	lua_pushnil(L);
	lua_pushfstring(L, "%s: %s", path, strerror(reason));
	return 2;
}

/* stat(path) -> "file", "directory" or "other", size in bytes, a string that only the same file has; or nil and the
 * reason. Follows links. */
static int files_stat(lua_State *L) {
	const char *path = reef_check_name(L, 1);
	struct stat st;
	if (stat(path, &st) != 0)
		return files_failed(L, path, errno);
	lua_pushstring(L, S_ISREG(st.st_mode) ? "file" : S_ISDIR(st.st_mode) ? "directory" : "other");
	lua_pushinteger(L, (lua_Integer)st.st_size);
	char id[64];
	snprintf(id, sizeof id, "%llx:%llx", (unsigned long long)st.st_dev, (unsigned long long)st.st_ino);
	lua_pushstring(L, id);
	return 3;
}

static int files_directory_gc(lua_State *L) {
	DIR **directory = luaL_checkudata(L, 1, files_directory_type);
	if (*directory != NULL)
		closedir(*directory);
	*directory = NULL;
	return 0;
}

/* names(path, most) -> the names in a directory, in no order and without those that begin with a dot, at most so many,
 * and whether there are more; or nil and the reason. */
static int files_names(lua_State *L) {
	const char *path = reef_check_name(L, 1);
	lua_Integer most = luaL_checkinteger(L, 2), count = 0;
	DIR **directory = lua_newuserdatauv(L, sizeof *directory, 0);
	*directory = NULL;
	if (luaL_newmetatable(L, files_directory_type)) {
		lua_pushcfunction(L, files_directory_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	*directory = opendir(path);
	if (*directory == NULL)
		return files_failed(L, path, errno);
	lua_newtable(L);
	bool more = false;
	struct dirent *entry;
	while ((entry = readdir(*directory)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		if (count == most) {
			more = true;
			break;
		}
		lua_pushstring(L, entry->d_name);
		lua_rawseti(L, -2, ++count);
	}
	closedir(*directory);
	*directory = NULL;
	lua_pushboolean(L, more);
	return 2;
}

/* count(path) -> how many names without a dot in front there are in a directory; or nil and the reason. */
static int files_count(lua_State *L) {
	const char *path = reef_check_name(L, 1);
	lua_Integer count = 0;
	DIR *directory = opendir(path);
	if (directory == NULL)
		return files_failed(L, path, errno);
	struct dirent *entry;
	while ((entry = readdir(directory)) != NULL)
		count += entry->d_name[0] != '.';
	closedir(directory);
	lua_pushinteger(L, count);
	return 1;
}

int reef_open_files(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"stat", files_stat}, {"names", files_names}, {"count", files_count}, {NULL, NULL}};
	luaL_newlib(L, functions);
	return 1;
}
