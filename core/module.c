/* Kinds of services: see module.h. */
#include "module.h"

#include <pthread.h>
#include <string.h>

#include "alloc.h"
#include "array.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct REEF_ARRAY(const struct reef_module *) modules;
static const struct reef_module *(*load)(const char *name);

/* Under the lock. */
static const struct reef_module *find_registered(const char *name) {
	for (size_t i = modules.count; i-- > 0;)
		if (strcmp(modules.items[i]->name, name) == 0)
			return modules.items[i];
	return NULL;
}

/* Under the lock. */
static void register_module(const struct reef_module *module) {
	const struct reef_module **place = reef_array_add(&modules);
	if (place == NULL)
		reef_alloc_give_up(sizeof *place * modules.capacity * 2);
	*place = module;
}

void reef_module_set_loader(const struct reef_module *(*loader)(const char *name)) {
	load = loader;
}

void reef_module_register(const struct reef_module *module) {
	pthread_mutex_lock(&lock);
	register_module(module);
	pthread_mutex_unlock(&lock);
}

const struct reef_module *reef_module_find(const char *name) {
	pthread_mutex_lock(&lock);
	const struct reef_module *module = find_registered(name);
	if (module == NULL && load != NULL) {
		module = load(name);
		if (module)
			register_module(module);
	}
	pthread_mutex_unlock(&lock);
	return module;
}
