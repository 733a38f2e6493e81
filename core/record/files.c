/* See files.h. */
#include "files.h"

#include <dirent.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/array.h"
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

size_t reef_record_wanted(char *to, size_t size) {
	size_t all_bytes = 0;
	pthread_mutex_lock(&lock);
	for (const struct wanted *one = all; one; one = one->next) {
		size_t bytes = strlen(one->name) + 1;
		if (all_bytes + bytes <= size)
			memcpy(to + all_bytes, one->name, bytes);
		all_bytes += bytes;
	}
	pthread_mutex_unlock(&lock);
	return all_bytes;
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

struct old {
	char name[NAME_MAX + 1];
	struct timespec changed;
};

static int newest_first(const void *a, const void *b) {
	const struct timespec *x = &((const struct old *)a)->changed, *y = &((const struct old *)b)->changed;
	if (x->tv_sec != y->tv_sec)
		return x->tv_sec < y->tv_sec ? 1 : -1;
	return x->tv_nsec < y->tv_nsec ? 1 : x->tv_nsec > y->tv_nsec ? -1 : 0;
}

/* Is it NAME-DATE-TIME-...ending? */
static bool is_of(const char *file, const char *name, const char *ending) {
	size_t name_size = strlen(name), size = strlen(file), ending_size = strlen(ending);
	if (size < name_size + ending_size + 17 || memcmp(file, name, name_size) != 0 ||
		strcmp(file + size - ending_size, ending) != 0)
		return false;
	static const char form[] = "-dddddddd-dddddd-";
	file += name_size;
	for (const char *at = form; *at; at++, file++)
		if (*at == 'd' ? *file < '0' || *file > '9' : *file != *at)
			return false;
	return true;
}

/* Unless it is written to. */
static void remove_file(int folder, const char *name) {
	int fd = openat(folder, name, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
	if (fd < 0)
		return;
	if (flock(fd, LOCK_EX | LOCK_NB) == 0)
		unlinkat(folder, name, 0);
	close(fd);
}

/* Leaves room for one more. */
static void remove_old(const char *path, const char *name, const char *ending) {
	struct REEF_ARRAY(struct old) found = {0};
	long keep = reef_env_int("record_files", DEFAULT_FILES);
	DIR *folder = keep > 0 ? opendir(path) : NULL;
	struct dirent *entry;
	struct stat st;
	if (folder == NULL)
		return;
	while ((entry = readdir(folder)) != NULL) {
		if (!is_of(entry->d_name, name, ending) || fstatat(dirfd(folder), entry->d_name, &st, AT_SYMLINK_NOFOLLOW) != 0)
			continue;
		struct old *place = reef_array_add(&found);
		if (place == NULL)
			break;
		snprintf(place->name, sizeof place->name, "%s", entry->d_name);
		place->changed = st.st_mtim;
	}
	if (found.count > 0)
		qsort(found.items, found.count, sizeof *found.items, newest_first);
	for (size_t i = (size_t)keep - 1; i < found.count; i++)
		remove_file(dirfd(folder), found.items[i].name);
	reef_array_fini(&found);
	closedir(folder);
}

void reef_record_files_path(struct reef_record_state *state, const char *ending) {
	const char *folder = reef_env_get("record_path");
	char time_text[32], name[sizeof state->name];
	time_t now = time(NULL);
	struct tm t;
	folder = folder && *folder ? folder : ".";
	snprintf(name, sizeof name, "%s", state->name);
	for (char *at = name; *at; at++)
		if (*at == '/')
			*at = '_';
	remove_old(folder, name, ending);
	strftime(time_text, sizeof time_text, "%Y%m%d-%H%M%S", localtime_r(&now, &t));
	snprintf(state->path, sizeof state->path, "%s/%s-%s-%d-%08x%s", folder, name, time_text, (int)getpid(),
			 state->handle, ending);
}

bool reef_record_files_wants(const char *arguments, struct reef_record_state *state, bool *ring) {
	size_t size = strcspn(arguments, " \t\n\v\f\r");
	*ring = false;
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
	if (found && *state->path == '\0') {
		*ring = reef_env_int("record_ring", 0) > 0;
		reef_record_files_path(state, *ring ? ".ring" : ".rec");
	}
	return found != NULL;
}
