/* Two fixed lists of functions, filled while one thread runs start-up and only read afterwards: no lock. */
#include "hooks.h"

#include <assert.h>
#include <stddef.h>

enum { MAX_HOOKS = 8 };

static reef_release_hook release_hooks[MAX_HOOKS];
static size_t release_count;
static reef_shutdown_hook shutdown_hooks[MAX_HOOKS];
static size_t shutdown_count;

void reef_hooks_on_release(reef_release_hook hook) {
	assert(release_count < MAX_HOOKS);
	release_hooks[release_count++] = hook;
}

void reef_hooks_on_shutdown(reef_shutdown_hook hook) {
	assert(shutdown_count < MAX_HOOKS);
	shutdown_hooks[shutdown_count++] = hook;
}

void reef_hooks_released(struct reef_service *service) {
	for (size_t i = 0; i < release_count; i++) {
		release_hooks[i](service);
	}
}

void reef_hooks_shutdown(uint64_t deadline_ns) {
	for (size_t i = 0; i < shutdown_count; i++) {
		shutdown_hooks[i](deadline_ns);
	}
}
