/* See slot.h, also for the locking.
 *
 * Ids count up and a slot is found by an id's low bits, so an id comes again only after the 31-bit counter has wrapped
 * around. A number whose slot is in use is skipped.
 */
#include "slot.h"
#include "core/send.h"

#include <errno.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/env.h"
#include "core/poller.h"
#include "core/service.h"

#define MASK (REEF_SLOTS - 1)
#define OWNER_BUCKETS 1024

static _Atomic(struct reef_slot *) table[REEF_SLOTS];
static _Atomic uint32_t next_id = 1;

struct bucket {
	pthread_mutex_t lock;
	struct reef_list slots;
};
static struct bucket owners[OWNER_BUCKETS];

/* What the slots' events and deferred flushes call. */
static struct reef_event event_pattern = {.message = {.flags = REEF_MESSAGE_EVENT, .type = REEF_PTYPE_SOCKET}};
static void (*deferred_flush)(struct reef_deferred *deferred);

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
	reef_wqueue_init(&slot->out);
	reef_list_init(&slot->datagrams);
	slot->event = event_pattern;
	slot->flush.run = deferred_flush;
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
		slot->warn_at = REEF_SLOT_FIRST_WARNING;
		slot->warn_kb = 0;
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
		reef_link_remove(&slot->owned);
		pthread_mutex_unlock(&bucket->lock);
	}
	atomic_store(&slot->owner, owner);
	if (owner != 0) {
		struct bucket *bucket = bucket_of(owner);
		pthread_mutex_lock(&bucket->lock);
		reef_list_push_front(&bucket->slots, &slot->owned);
		pthread_mutex_unlock(&bucket->lock);
	}
}

uint32_t *reef_slot_owned_ids(uint32_t owner) {
	struct bucket *bucket = bucket_of(owner);
	struct REEF_ARRAY(uint32_t) ids = {.items = NULL};
	pthread_mutex_lock(&bucket->lock);
	for (struct reef_link *link = reef_list_first(&bucket->slots); link; link = reef_list_next(&bucket->slots, link)) {
		struct reef_slot *slot = reef_list_entry(link, struct reef_slot, owned);
		/* Room for the 0 at the end, too. */
		if (atomic_load(&slot->owner) == owner && reef_array_reserve(&ids, 2))
			ids.items[ids.count++] = atomic_load(&slot->id);
	}
	pthread_mutex_unlock(&bucket->lock);
	if (ids.count > 0)
		ids.items[ids.count] = 0;
	return ids.items;
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

/* ---- the descriptor ---- */

int reef_slot_poll(struct reef_slot *slot) {
	if (slot->polled || slot->unpollable)
		return 0;
	uint32_t events = slot->kind == REEF_KIND_LISTEN ? EPOLLIN : REEF_STREAM_EVENTS;
	int error = reef_poller_add(slot->fd, REEF_POLL_SOCKET, atomic_load(&slot->id), events);
	if (error == EPERM && slot->kind == REEF_KIND_BIND) {
		slot->unpollable = true;
		return 0;
	}
	slot->polled = error == 0;
	return error;
}

int reef_slot_poll_again(struct reef_slot *slot) {
	if (!slot->polled)
		return reef_slot_poll(slot);
	return reef_poller_modify(slot->fd, REEF_POLL_SOCKET, atomic_load(&slot->id), REEF_STREAM_EVENTS);
}

void reef_slot_setup(void (*deliver)(struct reef_service *service, struct reef_event *event),
					 void (*drop)(struct reef_event *event), void (*flush)(struct reef_deferred *deferred)) {
	for (int i = 0; i < OWNER_BUCKETS; i++) {
		pthread_mutex_init(&owners[i].lock, NULL);
		reef_list_init(&owners[i].slots);
	}
	event_pattern.deliver = deliver;
	event_pattern.drop = drop;
	deferred_flush = flush;
}
