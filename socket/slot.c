/* Ids, the table of slots, who owns which socket, and how the owner is told that something has happened.
 *
 * Ids count up and a slot is found by an id's low bits, so an id comes again only after the 31-bit counter has wrapped
 * around. A number whose slot is in use is skipped. See slot.h for the locking.
 */
#include "socket/slot.h"

#include "core/alloc.h"
#include "core/env.h"
#include "core/send.h"

#define MASK (REEF_SLOTS - 1)
#define OWNER_BUCKETS 1024
#define FIRST_WARNING (1024 * 1024) /* bytes; the contract's */

static _Atomic(struct reef_slot *) table[REEF_SLOTS];
static _Atomic uint32_t next_id = 1;

struct bucket {
	pthread_mutex_t lock;
	struct reef_slot *first;
};
static struct bucket owners[OWNER_BUCKETS];

/* ---- table ---- */

void reef_slot_set_next_id(uint32_t id) {
	atomic_store(&next_id, id);
}

struct reef_slot *reef_slot_at(int i) {
	return atomic_load_explicit(&table[i], memory_order_acquire);
}

struct reef_slot *reef_slot_peek(uint32_t id) {
	struct reef_slot *slot = reef_slot_at((int)(id & MASK));
	return slot && atomic_load_explicit(&slot->id, memory_order_acquire) == id ? slot : NULL;
}

/* The slot at that place, made when it is used for the first time. */
static struct reef_slot *slot_at_or_new(uint32_t i) {
	struct reef_slot *slot = reef_slot_at((int)i);
	if (slot)
		return slot;
	slot = reef_calloc(1, sizeof *slot);
	pthread_mutex_init(&slot->lock, NULL);
	slot->fd = -1;
	slot->event = (struct reef_event){
			.message = {.flags = REEF_MESSAGE_EVENT, .type = REEF_PTYPE_SOCKET},
			.deliver = reef_slot_deliver,
			.drop = reef_slot_drop,
	};
	slot->flush.run = reef_slot_deferred_flush;
	struct reef_slot *other = NULL;
	if (atomic_compare_exchange_strong(&table[i], &other, slot))
		return slot;
	pthread_mutex_destroy(&slot->lock);
	reef_free(slot);
	return other;
}

struct reef_slot *reef_slot_new(enum reef_slot_kind kind, uint32_t owner) {
	for (int tries = 0; tries < REEF_SLOTS; tries++) {
		uint32_t id = atomic_fetch_add(&next_id, 1) & INT32_MAX;
		if (id == 0)
			id = atomic_fetch_add(&next_id, 1) & INT32_MAX;
		struct reef_slot *slot = slot_at_or_new(id & MASK);
		if (atomic_load_explicit(&slot->id, memory_order_relaxed) != 0)
			continue;
		pthread_mutex_lock(&slot->lock);
		if (atomic_load(&slot->id) != 0) {
			pthread_mutex_unlock(&slot->lock);
			continue;
		}
		/* `ready` keeps SIGNALLED: a late poll event of the slot's former life may be under way. */
		atomic_fetch_and(&slot->ready, REEF_SLOT_SIGNALLED);
		atomic_store(&slot->reading, false);
		atomic_store(&slot->connecting, false);
		atomic_store(&slot->blocked, 0);
		slot->kind = kind;
		slot->state = REEF_SLOT_OPEN;
		slot->fd = -1;
		slot->polled = slot->unpollable = slot->fin = slot->end_told = slot->warn_drained = false;
		slot->error = slot->write_error = slot->family = 0;
		slot->sink = NULL;
		slot->ud = NULL;
		slot->datagrams_tail = &slot->datagrams;
		slot->warn_at = FIRST_WARNING;
		slot->warn_kb = 0;
		slot->sealed = slot->sealed_users = 0;
		slot->deadline_ns = slot->connect_deadline_ns = 0;
		slot->linger_ns = (uint64_t)reef_env_int("socket_linger", 6000) * 10000000u;
		slot->read_bytes = slot->written_bytes = slot->read_ns = slot->write_ns = 0;
		atomic_store_explicit(&slot->id, id, memory_order_release);
		reef_slot_set_owner(slot, owner);
		return slot;
	}
	return NULL;
}

struct reef_slot *reef_slot_lock(int id) {
	struct reef_slot *slot = id > 0 ? reef_slot_peek((uint32_t)id) : NULL;
	if (slot == NULL)
		return NULL;
	pthread_mutex_lock(&slot->lock);
	if (atomic_load_explicit(&slot->id, memory_order_relaxed) == (uint32_t)id)
		return slot;
	pthread_mutex_unlock(&slot->lock);
	return NULL;
}

void reef_slot_unlock(struct reef_slot *slot) {
	if (slot->state == REEF_SLOT_DEAD && slot->flusher == 0 && slot->delivering == 0 &&
		!(atomic_load(&slot->ready) & (REEF_SLOT_SIGNALLED | REEF_TELL))) {
		reef_slot_set_owner(slot, 0);
		slot->state = REEF_SLOT_FREE;
		reef_free(slot->error_text);
		slot->error_text = NULL;
		atomic_store_explicit(&slot->id, 0, memory_order_release);
	}
	pthread_mutex_unlock(&slot->lock);
}

/* ---- owners ---- */

static struct bucket *bucket_of(uint32_t owner) {
	return &owners[owner % OWNER_BUCKETS];
}

void reef_slot_set_owner(struct reef_slot *slot, uint32_t owner) {
	uint32_t before = atomic_load(&slot->owner);
	if (before == owner)
		return;
	if (before != 0) {
		struct bucket *bucket = bucket_of(before);
		pthread_mutex_lock(&bucket->lock);
		*slot->owned_link = slot->owned_next;
		if (slot->owned_next)
			slot->owned_next->owned_link = slot->owned_link;
		pthread_mutex_unlock(&bucket->lock);
	}
	atomic_store(&slot->owner, owner);
	if (owner != 0) {
		struct bucket *bucket = bucket_of(owner);
		pthread_mutex_lock(&bucket->lock);
		slot->owned_next = bucket->first;
		slot->owned_link = &bucket->first;
		if (bucket->first)
			bucket->first->owned_link = &slot->owned_next;
		bucket->first = slot;
		pthread_mutex_unlock(&bucket->lock);
	}
}

/* The ids of that owner's sockets in a new block, ended by 0; NULL if it has none. */
static uint32_t *owned_ids(uint32_t owner) {
	struct bucket *bucket = bucket_of(owner);
	uint32_t *ids = NULL;
	size_t n = 0;
	pthread_mutex_lock(&bucket->lock);
	for (struct reef_slot *slot = bucket->first; slot; slot = slot->owned_next)
		n += atomic_load(&slot->owner) == owner;
	if (n > 0) {
		ids = reef_calloc(n + 1, sizeof *ids);
		for (struct reef_slot *slot = bucket->first; slot; slot = slot->owned_next) {
			if (atomic_load(&slot->owner) == owner)
				ids[--n] = atomic_load(&slot->id);
		}
	}
	pthread_mutex_unlock(&bucket->lock);
	return ids;
}

void reef_slot_orphan_all(uint32_t owner) {
	uint32_t *ids = owned_ids(owner);
	for (uint32_t *id = ids; id && *id != 0; id++) {
		struct reef_slot *slot = reef_slot_lock((int)*id);
		if (slot == NULL)
			continue;
		if (atomic_load(&slot->owner) == owner) {
			slot->sink = NULL;
			reef_slot_close(slot);
			atomic_fetch_and(&slot->ready, ~(uint32_t)REEF_TELL);
			reef_slot_set_owner(slot, 0);
		}
		reef_slot_unlock(slot);
	}
	reef_free(ids);
}

/* ---- signals ---- */

bool reef_slot_signal(struct reef_slot *slot, uint32_t bits) {
	if (atomic_fetch_or(&slot->ready, bits | REEF_SLOT_SIGNALLED) & REEF_SLOT_SIGNALLED)
		return true;
	for (;;) {
		uint32_t owner = atomic_load(&slot->owner);
		if (owner != 0 && reef_send_event(owner, &slot->event))
			return true;
		/* Nobody there. If somebody takes the socket over just now, either he finds SIGNALLED cleared or we see him. */
		atomic_fetch_and(&slot->ready, ~(uint32_t)REEF_SLOT_SIGNALLED);
		if (atomic_load(&slot->owner) == owner)
			return false;
		if (atomic_fetch_or(&slot->ready, REEF_SLOT_SIGNALLED) & REEF_SLOT_SIGNALLED)
			return true;
	}
}

void reef_slot_tell(struct reef_slot *slot, uint32_t what) {
	if (slot->sink)
		reef_slot_signal(slot, what);
}

void reef_slot_setup(void) {
	for (int i = 0; i < OWNER_BUCKETS; i++)
		pthread_mutex_init(&owners[i].lock, NULL);
}
