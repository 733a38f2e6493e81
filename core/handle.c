/* Handles: see handle.h.
 *
 * A handle is a 24-bit number counting up, so that it is not soon used again, and the low bits are its place in a
 * table of a power of two. Lookups read the table without a lock; changes are made under one; a table that has become
 * too small is replaced and retired.
 */
#include "handle.h"

#include <pthread.h>
#include <stdlib.h>

#include "alloc.h"
#include "epoch.h"
#include "node.h"
#include "service_private.h"

#define HANDLE_MASK 0xffffffu /* the upper 8 bits are the node's */
#define FIRST_SIZE 64

struct table {
	uint32_t size;
	_Atomic(struct reef_service *) slot[];
};

static _Atomic(struct table *) current;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint32_t next_handle = 1;
static uint32_t count;

static struct table *table_new(uint32_t size) {
	struct table *table = reef_malloc(sizeof *table + size * sizeof table->slot[0]);
	table->size = size;
	for (uint32_t i = 0; i < size; i++)
		atomic_init(&table->slot[i], NULL);
	return table;
}

static _Atomic(struct reef_service *) *place(struct table *table, uint32_t handle) {
	return &table->slot[handle & (table->size - 1)];
}

struct reef_service *reef_handle_find(uint32_t handle) {
	struct table *table = atomic_load_explicit(&current, memory_order_acquire);
	if (table == NULL)
		return NULL;
	struct reef_service *service = atomic_load_explicit(place(table, handle), memory_order_acquire);
	return service && service->handle == handle ? service : NULL;
}

const void *reef_handle_hint(uint32_t handle) {
	struct table *table = atomic_load_explicit(&current, memory_order_acquire);
	return atomic_load_explicit(place(table, handle), memory_order_relaxed);
}

static struct table *grow_table(struct table *old) {
	struct table *table = table_new(old ? old->size * 2 : FIRST_SIZE);
	for (uint32_t i = 0; old && i < old->size; i++) {
		struct reef_service *service = atomic_load_explicit(&old->slot[i], memory_order_relaxed);
		if (service)
			atomic_store_explicit(place(table, service->handle), service, memory_order_relaxed);
	}
	atomic_store_explicit(&current, table, memory_order_release);
	if (old)
		reef_epoch_retire(old, reef_free);
	return table;
}

uint32_t reef_handle_add(struct reef_service *service) {
	pthread_mutex_lock(&lock);
	struct table *table = atomic_load_explicit(&current, memory_order_relaxed);
	if (table == NULL || count >= table->size / 4 * 3)
		table = grow_table(table);
	uint32_t handle;
	do {
		handle = next_handle++ & HANDLE_MASK;
	} while (handle == 0 || atomic_load_explicit(place(table, handle), memory_order_relaxed));
	handle |= reef_node_bits();
	service->handle = handle;
	count++;
	atomic_store_explicit(place(table, handle), service, memory_order_release);
	pthread_mutex_unlock(&lock);
	return handle;
}

bool reef_handle_remove(struct reef_service *service) {
	pthread_mutex_lock(&lock);
	struct table *table = atomic_load_explicit(&current, memory_order_relaxed);
	bool found = atomic_load_explicit(place(table, service->handle), memory_order_relaxed) == service;
	if (found) {
		atomic_store_explicit(place(table, service->handle), NULL, memory_order_release);
		count--;
	}
	pthread_mutex_unlock(&lock);
	return found;
}

static int handle_order(const void *a, const void *b) {
	uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
	return (x > y) - (x < y);
}

size_t reef_handle_list(uint32_t *handles, size_t n) {
	size_t found = 0;
	pthread_mutex_lock(&lock);
	struct table *table = atomic_load_explicit(&current, memory_order_relaxed);
	for (uint32_t i = 0; table && i < table->size; i++) {
		struct reef_service *service = atomic_load_explicit(&table->slot[i], memory_order_relaxed);
		if (service) {
			if (found < n)
				handles[found] = service->handle;
			found++;
		}
	}
	pthread_mutex_unlock(&lock);
	if (n > 0)
		qsort(handles, found < n ? found : n, sizeof handles[0], handle_order);
	return found;
}

void reef_handle_set_next(uint32_t handle) {
	pthread_mutex_lock(&lock);
	next_handle = handle & HANDLE_MASK;
	pthread_mutex_unlock(&lock);
}
