/* The environment: a small table of strings that are never removed. */
#include "env.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"

struct entry {
	struct entry *next;
	char *key, *value;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;

static struct entry *find(const char *key) {
	struct entry *entry = entries;
	while (entry && strcmp(entry->key, key) != 0)
		entry = entry->next;
	return entry;
}

const char *reef_env_get(const char *key) {
	pthread_mutex_lock(&lock);
	struct entry *entry = find(key);
	pthread_mutex_unlock(&lock);
	return entry ? entry->value : NULL;
}

bool reef_env_set(const char *key, const char *value) {
	pthread_mutex_lock(&lock);
	bool added = find(key) == NULL;
	if (added) {
		struct entry *entry = reef_malloc(sizeof *entry);
		*entry = (struct entry){.next = entries, .key = reef_strdup(key), .value = reef_strdup(value)};
		entries = entry;
	}
	pthread_mutex_unlock(&lock);
	return added;
}

long reef_env_int(const char *key, long fallback) {
	const char *text = reef_env_get(key);
	if (text == NULL)
		return fallback;
	char *end;
	long value = strtol(text, &end, 10);
	return end != text && *end == '\0' ? value : fallback;
}
