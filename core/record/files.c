/* See files.h. */
#include "files.h"

#include <glob.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/env.h"
#include "core/seam.h"

#define SEPARATORS " ,\t\n"
#define DEFAULT_FILES 8 /* records of a name that are kept */

struct wanted {
	struct wanted *next;
	char *file; /* of the next one; NULL: a name is made */
	char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct wanted *all;

static struct wanted **find(const char *name, size_t size) {
	struct wanted **link = &all;
	while (*link && (strlen((*link)->name) != size || memcmp((*link)->name, name, size) != 0))
		link = &(*link)->next;
	return link;
}

static void want(const char *name, size_t size, const char *file) {
	pthread_mutex_lock(&lock);
	struct wanted **link = find(name, size);
	if (*link == NULL) {
		*link = reef_calloc(1, sizeof **link + size + 1);
		memcpy((*link)->name, name, size);
	}
	reef_free((*link)->file);
	(*link)->file = file ? reef_strdup(file) : NULL;
	pthread_mutex_unlock(&lock);
	__atomic_store_n(&reef_seam_on, true, __ATOMIC_RELAXED);
}

void reef_record_want(const char *name, const char *file) {
	want(name, strlen(name), file);
}

bool reef_record_want_no_more(const char *name) {
	pthread_mutex_lock(&lock);
	struct wanted **link = find(name, strlen(name)), *found = *link;
	if (found)
		*link = found->next;
	pthread_mutex_unlock(&lock);
	bool known = found != NULL;
	if (found)
		reef_free(found->file);
	reef_free(found);
	return known;
}

void reef_record_files_setup(void) {
	const char *names = reef_env_get("record");
	for (names += names ? strspn(names, SEPARATORS) : 0; names && *names; names += strspn(names, SEPARATORS)) {
		size_t size = strcspn(names, SEPARATORS);
		want(names, size, NULL);
		names += size;
	}
}

/* ---- names of files ---- */

static int newest_first(const void *a, const void *b) {
	struct stat x, y;
	if (stat(*(char *const *)a, &x) != 0 || stat(*(char *const *)b, &y) != 0)
		return 0;
	if (x.st_mtim.tv_sec != y.st_mtim.tv_sec)
		return x.st_mtim.tv_sec < y.st_mtim.tv_sec ? 1 : -1;
	return x.st_mtim.tv_nsec < y.st_mtim.tv_nsec ? 1 : x.st_mtim.tv_nsec > y.st_mtim.tv_nsec ? -1 : 0;
}

/* Leaves room for one more. */
static void remove_old(const char *folder, const char *name) {
	char pattern[512];
	glob_t found;
	long keep = reef_env_int("record_files", DEFAULT_FILES);
	snprintf(pattern, sizeof pattern, "%s/%s-[0-9]*.rec", folder, name);
	if (keep < 1 || glob(pattern, GLOB_NOSORT, NULL, &found) != 0)
		return;
	qsort(found.gl_pathv, found.gl_pathc, sizeof *found.gl_pathv, newest_first);
	for (size_t i = (size_t)keep - 1; i < found.gl_pathc; i++)
		unlink(found.gl_pathv[i]);
	globfree(&found);
}

static void make_path(struct reef_record_state *state) {
	const char *folder = reef_env_get("record_path");
	char time_text[32], name[sizeof state->name];
	time_t now = time(NULL);
	struct tm t;
	folder = folder && *folder ? folder : ".";
	snprintf(name, sizeof name, "%s", state->name);
	for (char *at = name; *at; at++)
		if (*at == '/' || *at == '*' || *at == '?' || *at == '[')
			*at = '_';
	remove_old(folder, name);
	strftime(time_text, sizeof time_text, "%Y%m%d-%H%M%S", localtime_r(&now, &t));
	snprintf(state->path, sizeof state->path, "%s/%s-%s-%d-%08x.rec", folder, name, time_text, (int)getpid(),
			 state->handle);
}

bool reef_record_files_wants(const char *arguments, struct reef_record_state *state) {
	size_t size = strcspn(arguments, " \t\n\v\f\r");
	if (size >= sizeof state->name)
		return false;
	pthread_mutex_lock(&lock);
	struct wanted *found = *find(arguments, size);
	if (found) {
		memcpy(state->name, arguments, size);
		if (found->file)
			snprintf(state->path, sizeof state->path, "%s", found->file);
		reef_free(found->file);
		found->file = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (found && *state->path == '\0')
		make_path(state);
	return found != NULL;
}
