/* Quiescent-state based reclamation.
 *
 * A global counter grows with every retirement. Each thread inside the engine publishes the value it saw at its last
 * quiescent point; something retired at value e is freed when every published value is above e. Slots of threads are
 * kept in a list that only grows and are taken over by later threads.
 */
#include "epoch.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "alloc.h"
#include "list.h"

#define OUTSIDE 0 /* published value of a thread that is not inside */

struct slot {
	_Alignas(64) atomic_uint_fast64_t seen;
	atomic_bool used;
	struct slot *next;
};

struct retired {
	struct reef_link link;
	uint64_t epoch;
	void *p;
	void (*destroy)(void *p);
};

static atomic_uint_fast64_t epoch = 1;
static _Atomic(struct slot *) slots;
static _Thread_local struct slot *own;
static pthread_key_t exit_key;
static pthread_once_t exit_once = PTHREAD_ONCE_INIT;

static pthread_mutex_t retired_lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_list retired = {{&retired.head, &retired.head}}; /* the oldest first */
static atomic_size_t retired_count;

static void release_slot(void *p) {
	struct slot *slot = p;
	atomic_store(&slot->seen, OUTSIDE);
	atomic_store(&slot->used, false);
}

static void make_key(void) {
	pthread_key_create(&exit_key, release_slot);
}

static struct slot *claim_slot(void) {
	pthread_once(&exit_once, make_key);
	struct slot *slot;
	for (slot = atomic_load(&slots); slot; slot = slot->next) {
		bool expected = false;
		if (atomic_compare_exchange_strong(&slot->used, &expected, true))
			break;
	}
	if (slot == NULL) {
		slot = reef_aligned_alloc(64, sizeof *slot);
		atomic_init(&slot->seen, OUTSIDE);
		atomic_init(&slot->used, true);
		slot->next = atomic_load(&slots);
		while (!atomic_compare_exchange_weak(&slots, &slot->next, slot))
			;
	}
	pthread_setspecific(exit_key, slot);
	own = slot;
	return slot;
}

void reef_epoch_enter(void) {
	struct slot *slot = own ? own : claim_slot();
	/* Sequentially consistent: no lookup of this thread may be ordered before the store. */
	atomic_store(&slot->seen, atomic_load(&epoch));
}

void reef_epoch_leave(void) {
	atomic_store_explicit(&own->seen, OUTSIDE, memory_order_release);
}

void reef_epoch_quiescent(void) {
	uint64_t now = atomic_load_explicit(&epoch, memory_order_relaxed);
	if (atomic_load_explicit(&own->seen, memory_order_relaxed) != now)
		atomic_store(&own->seen, now);
}

void reef_epoch_retire(void *p, void (*destroy)(void *p)) {
	struct retired *r = reef_malloc(sizeof *r);
	*r = (struct retired){.p = p, .destroy = destroy};
	pthread_mutex_lock(&retired_lock);
	r->epoch = atomic_fetch_add(&epoch, 1);
	reef_list_push(&retired, &r->link);
	atomic_fetch_add_explicit(&retired_count, 1, memory_order_relaxed);
	pthread_mutex_unlock(&retired_lock);
}

/* The oldest epoch that a thread inside may still be in. */
static uint64_t oldest_seen(void) {
	uint64_t oldest = atomic_load(&epoch);
	for (struct slot *slot = atomic_load(&slots); slot; slot = slot->next) {
		uint64_t seen = atomic_load(&slot->seen);
		if (seen != OUTSIDE && seen < oldest)
			oldest = seen;
	}
	return oldest;
}

size_t reef_epoch_pending(void) {
	return atomic_load_explicit(&retired_count, memory_order_relaxed);
}

static struct retired *first_retired(const struct reef_list *list) {
	return reef_list_entry(reef_list_first(list), struct retired, link);
}

void reef_epoch_reclaim(void) {
	if (reef_epoch_pending() == 0 || pthread_mutex_trylock(&retired_lock) != 0)
		return;
	uint64_t oldest = oldest_seen();
	struct reef_list over;
	reef_list_init(&over);
	struct retired *r;
	while ((r = first_retired(&retired)) != NULL && r->epoch < oldest) {
		reef_link_remove(&r->link);
		reef_list_push(&over, &r->link);
		atomic_fetch_sub_explicit(&retired_count, 1, memory_order_relaxed);
	}
	pthread_mutex_unlock(&retired_lock);
	while ((r = first_retired(&over)) != NULL) {
		reef_link_remove(&r->link);
		r->destroy(r->p);
		reef_free(r);
	}
}
