/* Kinds of services: the built-in ones, and C services loaded from `cpath` (cservice.c). Modules are never unloaded. */
#include <pthread.h>
#include <string.h>

#include "alloc.h"
#include "cservice.h"
#include "log.h"
#include "service_private.h"

struct entry {
	struct entry *next;
	const struct reef_module *module;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *entries;

static const struct reef_module *find(const char *name) {
	for (struct entry *entry = entries; entry; entry = entry->next)
		if (strcmp(entry->module->name, name) == 0)
			return entry->module;
	return NULL;
}

static void add(const struct reef_module *module) {
	struct entry *entry = reef_malloc(sizeof *entry);
	*entry = (struct entry){.next = entries, .module = module};
	entries = entry;
}

void reef_module_register(const struct reef_module *module) {
	pthread_mutex_lock(&lock);
	add(module);
	pthread_mutex_unlock(&lock);
}

const struct reef_module *reef_module_find(const char *name) {
	pthread_mutex_lock(&lock);
	const struct reef_module *module = find(name);
	if (module == NULL) {
		module = reef_cservice_load(name);
		if (module)
			add(module);
	}
	pthread_mutex_unlock(&lock);
	return module;
}
