/* The list of our own Lua files: sorted paths with the directory in front, made when first asked for and kept as long as the process. */
#include "own_files.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/env.h"
#include "core/text.h"

#define MAX_PATH 4096

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct REEF_ARRAY(char *) files;
static size_t prefix; /* bytes of the directory, and the slash, that each path begins with */

const char *reef_own_directory(void) {
	const char *directory = reef_env_get("reef_lualib");
	return directory ? directory : "./lualib";
}

/* `directory` ends with a slash. */
static void own_files_list(const char *directory) {
	char path[MAX_PATH];
	DIR *opened = opendir(directory);
	if (opened == NULL)
		return;
	struct dirent *entry;
	while ((entry = readdir(opened)) != NULL) {
		const char *name = entry->d_name, *dot = strrchr(name, '.');
		if (name[0] == '.')
			continue;
		bool is_file = dot && strcmp(dot, ".lua") == 0;
		int n = snprintf(path, sizeof path, "%s%s%s", directory, name, is_file ? "" : "/");
		if (n < 0 || (size_t)n >= sizeof path)
			continue;
		char **file;
		if (!is_file)
			own_files_list(path);
		else if ((file = reef_array_add(&files)) != NULL)
			*file = reef_strdup(path);
	}
	closedir(opened);
}

static int own_file_compare(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static int own_file_find(const void *relative, const void *file) {
	return strcmp(relative, *(char *const *)file + prefix);
}

static void list_all(void) {
	char directory[MAX_PATH];
	int n = snprintf(directory, sizeof directory, "%s/", reef_own_directory());
	if (n < 0 || (size_t)n >= sizeof directory)
		return;
	prefix = (size_t)n;
	own_files_list(directory);
	if (files.count > 0)
		qsort(files.items, files.count, sizeof files.items[0], own_file_compare);
}

const char *reef_own_file(const char *relative) {
	pthread_once(&once, list_all);
	if (files.count == 0)
		return NULL;
	char **found = bsearch(relative, files.items, files.count, sizeof files.items[0], own_file_find);
	return found ? *found : NULL;
}

const char *reef_own_meant(const char *relative) {
	pthread_once(&once, list_all);
	for (size_t i = 0; i < files.count; i++)
		if (reef_text_is_one_away(relative, files.items[i] + prefix))
			return files.items[i] + prefix;
	return NULL;
}

bool reef_own_source(const char *source) {
	const char *own = reef_own_directory();
	size_t size = strlen(own);
	source += *source == '@';
	return strncmp(source, own, size) == 0 && source[size] == '/';
}

void reef_own_where_user(lua_State *L) {
	lua_Debug ar;
	for (int level = 1; lua_getstack(L, level, &ar); level++) {
		lua_getinfo(L, "Sl", &ar);
		if (ar.currentline > 0 && !reef_own_source(ar.source)) {
			lua_pushfstring(L, "%s:%d: ", ar.short_src, ar.currentline);
			return;
		}
	}
	lua_pushliteral(L, "");
}
