/* Global names: see global.h.
 *
 * The names are an append-only list: names are few and never go away, so looking one up takes no lock. The lock guards
 * only what changes a name from unbound (messages wait) to bound (handle set): a sender that finds it unbound looks
 * again under the lock, and binding drains the queue under the lock, so that no message is overtaken by a later one of
 * the same sender. The list owns its nodes and the messages that wait in them.
 */
#include "global.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <string.h>

#include "alloc.h"
#include "name.h"
#include "send.h"
#include "service.h"

enum { NAME_SIZE = 16 };

struct global {
	struct global *next;
	_Atomic uint32_t handle;            /* 0: unbound */
	struct reef_message *first, **last; /* what waits; under the lock */
	bool told;                          /* `.cslave` watches it; under the lock */
	char name[NAME_SIZE];
};

static _Atomic(struct global *) names;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

bool reef_global_valid(const char *name) {
	size_t size = strlen(name);
	return size > 0 && size < NAME_SIZE && name[0] != '.' && name[0] != ':' && strspn(name, "0123456789") < size;
}

static struct global *find_global(const char *name) {
	struct global *g = atomic_load_explicit(&names, memory_order_acquire);
	while (g && strcmp(g->name, name) != 0) {
		g = g->next;
	}
	return g;
}

/* Under the lock. */
static struct global *find_or_make(const char *name) {
	struct global *g = find_global(name);
	if (!g) {
		g = reef_calloc(1, sizeof(*g));
		g->last = &g->first;
		memcpy(g->name, name, strlen(name));
		g->next = atomic_load_explicit(&names, memory_order_relaxed);
		atomic_store_explicit(&names, g, memory_order_release);
	}
	return g;
}

uint32_t reef_global_find(const char *name) {
	struct global *g = find_global(name);
	return g ? atomic_load_explicit(&g->handle, memory_order_acquire) : 0;
}

bool reef_global_add(const char *name, uint32_t handle) {
	if (!reef_global_valid(name) || handle == 0) {
		return false;
	}
	pthread_mutex_lock(&lock);
	struct global *g = find_or_make(name);
	bool fresh = atomic_load_explicit(&g->handle, memory_order_relaxed) == 0;
	if (fresh) {
		struct reef_message *m = g->first;
		while (m) {
			struct reef_message *next = m->next;
			uint32_t source = m->source;
			int32_t session = m->session;
			if (!reef_send(handle, m) && session != 0) {
				reef_send_error(handle, source, session, NULL);
			}
			m = next;
		}
		g->first = NULL;
		g->last = &g->first;
		atomic_store_explicit(&g->handle, handle, memory_order_release);
	}
	pthread_mutex_unlock(&lock);
	return fresh;
}

bool reef_global_send(const char *name, struct reef_message *m) {
	if (!reef_global_valid(name)) {
		reef_message_free(m);
		return false;
	}
	uint32_t handle = reef_global_find(name);
	if (handle == 0) {
		pthread_mutex_lock(&lock);
		struct global *g = find_or_make(name);
		handle = atomic_load_explicit(&g->handle, memory_order_relaxed);
		bool first = false;
		if (handle == 0) {
			first = !g->told;
			g->told = true;
			m->next = NULL;
			*g->last = m;
			g->last = &m->next;
		}
		pthread_mutex_unlock(&lock);
		if (handle == 0) {
			if (first) {
				reef_send_copy(0, reef_name_find("cslave"), REEF_PTYPE_TEXT, 0, name, strlen(name));
			}
			return true;
		}
	}
	return reef_send(handle, m);
}

size_t reef_global_waiting(const char *name, uint32_t *source) {
	size_t n = 0;
	pthread_mutex_lock(&lock);
	struct global *g = find_global(name);
	for (const struct reef_message *m = g ? g->first : NULL; m; m = m->next) {
		if (!reef_service_alive(m->source)) {
			continue;
		}
		if (n++ == 0) {
			*source = m->source;
		}
	}
	if (g && n == 0) {
		g->told = false;
	}
	pthread_mutex_unlock(&lock);
	return n;
}

void reef_global_fini(void) {
	struct global *g = atomic_exchange(&names, NULL);
	while (g) {
		struct global *next = g->next;
		for (struct reef_message *m = g->first; m;) {
			struct reef_message *after = m->next;
			reef_message_free(m);
			m = after;
		}
		reef_free(g);
		g = next;
	}
}
