/* Local names of services: see name.h.
 *
 * A sorted array that is never changed once published: lookups are a binary search without a lock, every change makes a
 * new array and retires the old one. Names change rarely; they are looked up with every message sent to one.
 */
#include "name.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>

#include "alloc.h"
#include "epoch.h"
#include "handle.h"

struct name {
	char *text;
	uint32_t handle;
};

struct names {
	size_t n;
	struct name name[];
};

static _Atomic(struct names *) current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* Where `text` is, or where it belongs. */
static size_t search(const struct names *names, const char *text, bool *found) {
	size_t low = 0, high = names ? names->n : 0;
	*found = false;
	while (low < high) {
		size_t middle = (low + high) / 2;
		int order = strcmp(names->name[middle].text, text);
		if (order == 0) {
			*found = true;
			return middle;
		}
		if (order < 0)
			low = middle + 1;
		else
			high = middle;
	}
	return low;
}

static void publish(struct names *names) {
	struct names *old = atomic_exchange_explicit(&current, names, memory_order_acq_rel);
	if (old)
		reef_epoch_retire(old, reef_free);
}

uint32_t reef_name_find(const char *name) {
	const struct names *names = atomic_load_explicit(&current, memory_order_acquire);
	bool found;
	size_t i = search(names, name, &found);
	return found ? names->name[i].handle : 0;
}

bool reef_name_add(const char *name, uint32_t handle) {
	bool added = false;
	pthread_mutex_lock(&lock);
	struct names *old = atomic_load_explicit(&current, memory_order_relaxed);
	size_t n = old ? old->n : 0;
	bool found;
	size_t at = search(old, name, &found);
	/* The handle is looked up under the lock: a service that ends takes its names away after it is unreachable. */
	if (!found && reef_handle_find(handle)) {
		struct names *names = reef_malloc(sizeof *names + (n + 1) * sizeof names->name[0]);
		names->n = n + 1;
		if (old) {
			memcpy(names->name, old->name, at * sizeof old->name[0]);
			memcpy(names->name + at + 1, old->name + at, (n - at) * sizeof old->name[0]);
		}
		names->name[at] = (struct name){.text = reef_strdup(name), .handle = handle};
		publish(names);
		added = true;
	}
	pthread_mutex_unlock(&lock);
	return added;
}

void reef_name_remove_all(uint32_t handle) {
	pthread_mutex_lock(&lock);
	struct names *old = atomic_load_explicit(&current, memory_order_relaxed);
	size_t owned = 0;
	for (size_t i = 0; old && i < old->n; i++)
		owned += old->name[i].handle == handle;
	if (owned > 0) {
		struct names *names = reef_malloc(sizeof *names + (old->n - owned) * sizeof names->name[0]);
		names->n = 0;
		for (size_t i = 0; i < old->n; i++) {
			if (old->name[i].handle == handle)
				reef_epoch_retire(old->name[i].text, reef_free);
			else
				names->name[names->n++] = old->name[i];
		}
		publish(names);
	}
	pthread_mutex_unlock(&lock);
}

uint32_t reef_address_parse(const char *text) {
	if (text[0] == '.')
		return reef_name_find(text + 1);
	char *end;
	const char *digits = text[0] == ':' ? text + 1 : text;
	unsigned long value = strtoul(digits, &end, text[0] == ':' ? 16 : 0);
	return end != digits && *end == '\0' && value <= UINT32_MAX ? (uint32_t)value : 0;
}

char *reef_handle_text(char text[REEF_HANDLE_TEXT], uint32_t handle) {
	text[0] = ':';
	for (int i = 8; i > 0; i--, handle >>= 4)
		text[i] = "0123456789abcdef"[handle & 15];
	text[9] = 0;
	return text;
}
