/* See load_directory.h. */
#include "load_directory.h"

#include <dirent.h>
#include <errno.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/host/name_check.h"

#define MAX_PATH 4096
#define MAX_NAME 256
#define MAX_LINKS 40
#define MAX_DIRECTORIES_DEEP 32
#define YOUNG_SECONDS 0.05

static const char directory_type[] = "reef.config.directory";

/* Clocks of file systems tick: what was written just now may be written once more at the same time. */
static double age_of(const struct stat *st) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)(now.tv_sec - st->st_mtim.tv_sec) + (double)(now.tv_nsec - st->st_mtim.tv_nsec) * 1e-9;
}

static void add_file(lua_State *L, int files, const char *path, const struct stat *st) {
	char stamp[160];
	snprintf(stamp, sizeof stamp, "%llx-%llx-%llx-%llx.%09ld-%llx.%09ld", (unsigned long long)st->st_dev,
			 (unsigned long long)st->st_ino, (unsigned long long)st->st_size, (unsigned long long)st->st_mtim.tv_sec,
			 st->st_mtim.tv_nsec, (unsigned long long)st->st_ctim.tv_sec, st->st_ctim.tv_nsec);
	lua_createtable(L, 0, 8);
	lua_pushstring(L, path);
	lua_setfield(L, -2, "path");
	lua_pushstring(L, stamp);
	lua_setfield(L, -2, "stamp");
	lua_pushinteger(L, (lua_Integer)st->st_size);
	lua_setfield(L, -2, "size");
	double age = age_of(st);
	lua_pushboolean(L, age < YOUNG_SECONDS);
	lua_setfield(L, -2, "young");
	lua_pushnumber(L, age);
	lua_setfield(L, -2, "age");
	lua_rawseti(L, files, (lua_Integer)lua_rawlen(L, files) + 1);
}

static void add_way(lua_State *L, int ways, const char *directory, const char *name) {
	lua_createtable(L, 0, 2);
	lua_pushstring(L, directory);
	lua_setfield(L, -2, "directory");
	lua_pushstring(L, name);
	lua_setfield(L, -2, "name");
	lua_rawseti(L, ways, (lua_Integer)lua_rawlen(L, ways) + 1);
}

/* Splits the first part off `rest`; false: there is none. */
static bool next_part(char *rest, char *part, size_t size) {
	size_t from = strspn(rest, "/"), n = strcspn(rest + from, "/");
	if (n == 0 || n >= size)
		return false;
	memcpy(part, rest + from, n);
	part[n] = '\0';
	memmove(rest, rest + from + n, strlen(rest + from + n) + 1);
	return true;
}

/* Adds what leads to a path: each symbolic link on the way, and the file at the end if there were any. Where the way ends
 * early, what is missing is the last. */
static void add_ways(lua_State *L, int ways, const char *path) {
	char rest[MAX_PATH], at[MAX_PATH], part[MAX_NAME], full[MAX_PATH], target[MAX_PATH];
	struct stat st;
	int links = 0;
	if (snprintf(rest, sizeof rest, "%s", path) >= (int)sizeof rest)
		return;
	strcpy(at, path[0] == '/' ? "/" : ".");
	while (next_part(rest, part, sizeof part)) {
		int n = snprintf(full, sizeof full, "%s%s%s", at, at[strlen(at) - 1] == '/' ? "" : "/", part);
		if (n < 0 || (size_t)n >= sizeof full)
			return;
		if (lstat(full, &st) != 0) {
			add_way(L, ways, at, part);
			return;
		}
		if (!S_ISLNK(st.st_mode)) {
			if (links > 0 && S_ISREG(st.st_mode))
				add_way(L, ways, at, part);
			strcpy(at, full);
			continue;
		}
		add_way(L, ways, at, part);
		ssize_t size = readlink(full, target, sizeof target - 1);
		if (size <= 0 || ++links > MAX_LINKS)
			return;
		target[size] = '\0';
		if ((size_t)size + 1 + strlen(rest) >= sizeof rest)
			return;
		memmove(rest + size + 1, rest, strlen(rest) + 1);
		memcpy(rest, target, (size_t)size);
		rest[size] = '/';
		if (target[0] == '/')
			strcpy(at, "/");
	}
}

/* What list_directory fills, as stack indices. */
struct listing {
	int files, directories, ways;
};

/* `relative` is "" or ends with a slash. The entries of a directory are read to the end before others are opened, so
 * that one directory is open at a time, and a Lua error closes it. */
static void list_directory(lua_State *L, const char *root, const char *relative, const struct listing *out, int depth) {
	char path[MAX_PATH];
	int n = snprintf(path, sizeof path, "%s/%s", root, relative);
	if (n < 0 || (size_t)n >= sizeof path)
		luaL_error(L, "%s: the path is too long", relative);
	if (depth > MAX_DIRECTORIES_DEEP)
		luaL_error(L, "%s: more than %d directories deep", path, MAX_DIRECTORIES_DEEP);
	luaL_checkstack(L, 8, "directories");
	DIR **dir = lua_newuserdatauv(L, sizeof *dir, 0);
	*dir = NULL;
	luaL_setmetatable(L, directory_type);
	lua_newtable(L);
	int names = lua_gettop(L);
	*dir = opendir(path);
	if (*dir == NULL)
		luaL_error(L, "%s: %s", path, strerror(errno));
	struct dirent *entry;
	while ((entry = readdir(*dir)) != NULL) {
		if (entry->d_name[0] == '.')
			continue;
		lua_pushstring(L, entry->d_name);
		lua_rawseti(L, names, (lua_Integer)lua_rawlen(L, names) + 1);
	}
	closedir(*dir);
	*dir = NULL;
	lua_pushstring(L, path);
	lua_rawseti(L, out->directories, (lua_Integer)lua_rawlen(L, out->directories) + 1);
	lua_Integer count = (lua_Integer)lua_rawlen(L, names);
	for (lua_Integer i = 1; i <= count; i++) {
		lua_rawgeti(L, names, i);
		const char *child = lua_pushfstring(L, "%s%s", relative, lua_tostring(L, -1));
		struct stat st;
		n = snprintf(path, sizeof path, "%s/%s", root, child);
		/* One that has vanished meanwhile is not there. */
		if (n > 0 && (size_t)n < sizeof path && lstat(path, &st) == 0) {
			bool there = true;
			if (S_ISLNK(st.st_mode)) {
				add_ways(L, out->ways, path);
				there = stat(path, &st) == 0;
			}
			if (there && S_ISREG(st.st_mode))
				add_file(L, out->files, child, &st);
			else if (there && S_ISDIR(st.st_mode))
				list_directory(L, root, lua_pushfstring(L, "%s/", child), out, depth + 1);
		}
		lua_settop(L, names);
	}
	lua_settop(L, names - 2);
}

static int directory_gc(lua_State *L) {
	DIR **dir = luaL_checkudata(L, 1, directory_type);
	if (*dir != NULL)
		closedir(*dir);
	*dir = NULL;
	return 0;
}

int reef_load_directory(lua_State *L) {
	const char *root = reef_check_name(L, 1);
	luaL_argcheck(L, *root != 0, 1, "a directory has a name");
	lua_settop(L, 1);
	lua_newtable(L);
	lua_newtable(L);
	lua_newtable(L);
	if (luaL_newmetatable(L, directory_type)) {
		lua_pushcfunction(L, directory_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_settop(L, 4);
	add_ways(L, 4, root);
	list_directory(L, root, "", &(struct listing){2, 3, 4}, 0);
	return 3;
}
