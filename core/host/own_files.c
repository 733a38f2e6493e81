/* The list of our own Lua files: sorted paths, made when first asked for and kept as long as the process. */
#include "own_files.h"

#include <dirent.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/env.h"

#define MAX_PATH 4096

static pthread_once_t once = PTHREAD_ONCE_INIT;
static struct REEF_ARRAY(char *) files;

const char *reef_own_directory(void) {
	const char *directory = reef_env_get("reef_lualib");
	return directory ? directory : "./lualib";
}

/* `relative` is "" or ends with a slash. */
static void own_files_list(const char *relative) {
	char path[MAX_PATH];
	snprintf(path, sizeof path, "%s/%s", reef_own_directory(), relative);
	DIR *directory = opendir(path);
	if (directory == NULL)
		return;
	struct dirent *entry;
	while ((entry = readdir(directory)) != NULL) {
		const char *name = entry->d_name, *dot = strrchr(name, '.');
		if (name[0] == '.')
			continue;
		bool is_file = dot && strcmp(dot, ".lua") == 0;
		int n = snprintf(path, sizeof path, "%s%s%s", relative, name, is_file ? "" : "/");
		if (n < 0 || (size_t)n >= sizeof path)
			continue;
		char **file;
		if (!is_file)
			own_files_list(path);
		else if ((file = reef_array_add(&files)) != NULL)
			*file = reef_strdup(path);
	}
	closedir(directory);
}

static int own_file_compare(const void *a, const void *b) {
	return strcmp(*(char *const *)a, *(char *const *)b);
}

static void list_all(void) {
	own_files_list("");
	if (files.count > 0)
		qsort(files.items, files.count, sizeof files.items[0], own_file_compare);
}

bool reef_own_file(const char *relative, char *path, size_t size) {
	pthread_once(&once, list_all);
	if (files.count == 0 ||
		bsearch(&relative, files.items, files.count, sizeof files.items[0], own_file_compare) == NULL)
		return false;
	int n = snprintf(path, size, "%s/%s", reef_own_directory(), relative);
	return n > 0 && (size_t)n < size;
}
