/* The environment: a small table of strings that are never removed. */
#include "env.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "array.h"

struct variable {
	const char *key, *value;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct REEF_ARRAY(struct variable) variables;
static atomic_size_t count;

/* Under the lock. NULL if there is none. */
static const char *find_value(const char *key) {
	for (size_t i = 0; i < variables.count; i++)
		if (strcmp(variables.items[i].key, key) == 0)
			return variables.items[i].value;
	return NULL;
}

const char *reef_env_get(const char *key) {
	pthread_mutex_lock(&lock);
	const char *value = find_value(key);
	pthread_mutex_unlock(&lock);
	return value;
}

bool reef_env_set(const char *key, const char *value) {
	pthread_mutex_lock(&lock);
	bool is_new = find_value(key) == NULL;
	if (is_new) {
		struct variable *added = reef_array_add(&variables);
		if (added == NULL)
			reef_alloc_give_up(sizeof *added * variables.capacity * 2);
		*added = (struct variable){.key = reef_strdup(key), .value = reef_strdup(value)};
		atomic_fetch_add(&count, 1);
	}
	pthread_mutex_unlock(&lock);
	return is_new;
}

size_t reef_env_count(void) {
	return atomic_load(&count);
}

long reef_env_int(const char *key, long fallback) {
	const char *text = reef_env_get(key);
	if (text == NULL)
		return fallback;
	char *end;
	long value = strtol(text, &end, 10);
	return end != text && *end == '\0' ? value : fallback;
}
