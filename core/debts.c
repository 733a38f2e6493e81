/* Requests that were left unanswered: see debts.h. Open addressing with linear probing; removal moves what follows. */
#include "debts.h"

#include <stdbool.h>
#include <string.h>

#include "alloc.h"
#include "send.h"
#include "service.h"

enum { FIRST_CAPACITY = 16, FIRST_LIMIT = 4096 };

static const char reason[] = "service ended before it answered the request";

#define OWN (UINT64_C(1) << 31)

static uint64_t pair(uint32_t source, int32_t session, bool own) {
	return (uint64_t)source << 32 | ((uint32_t)session & ~OWN) | (own ? OWN : 0);
}

static uint32_t home(const struct reef_debts *debts, uint64_t key) {
	return (uint32_t)(key * UINT64_C(0x9e3779b97f4a7c15) >> 32) & (debts->capacity - 1);
}

/* Where it is, or the free slot where it belongs. */
static uint32_t place(const struct reef_debts *debts, uint64_t key) {
	uint32_t i = home(debts, key);
	while (debts->slots[i] != 0 && debts->slots[i] != key)
		i = (i + 1) & (debts->capacity - 1);
	return i;
}

static void put(struct reef_debts *debts, uint64_t key) {
	uint32_t i = place(debts, key);
	debts->count += debts->slots[i] == 0;
	debts->slots[i] = key;
}

static void rebuild(struct reef_debts *debts, uint32_t capacity, bool forget) {
	struct reef_debts old = *debts;
	debts->slots = reef_calloc(capacity, sizeof *debts->slots);
	debts->capacity = capacity;
	debts->count = 0;
	for (uint32_t i = 0; i < old.capacity; i++) {
		uint64_t key = old.slots[i];
		if (key == 0)
			continue;
		uint32_t source = (uint32_t)(key >> 32);
		if (!forget)
			put(debts, key);
		else if (reef_service_alive(source))
			put(debts, pair(source, 0, true));
	}
	reef_free(old.slots);
}

void reef_debts_add(struct reef_debts *debts, uint32_t source, int32_t session, int type) {
	if (source == 0)
		return;
	if (debts->limit == 0)
		debts->limit = FIRST_LIMIT;
	if (debts->count >= debts->limit) {
		rebuild(debts, debts->capacity, true);
		if (debts->count > debts->limit / 2)
			debts->limit *= 2;
	}
	if (debts->count >= debts->capacity / 2)
		rebuild(debts, debts->capacity ? debts->capacity * 2 : FIRST_CAPACITY, false);
	put(debts, pair(source, session, type != REEF_PTYPE_LUA && type != REEF_PTYPE_SNAX));
}

static void take_out(struct reef_debts *debts, uint64_t key) {
	uint32_t mask = debts->capacity - 1, hole = place(debts, key);
	if (debts->slots[hole] == 0)
		return;
	debts->slots[hole] = 0;
	debts->count--;
	for (uint32_t i = (hole + 1) & mask; debts->slots[i] != 0; i = (i + 1) & mask) {
		uint64_t moved = debts->slots[i];
		debts->slots[i] = 0;
		debts->slots[place(debts, moved)] = moved;
	}
}

void reef_debts_remove(struct reef_debts *debts, uint32_t source, int32_t session) {
	if (debts->count == 0)
		return;
	take_out(debts, pair(source, session, false));
	take_out(debts, pair(source, session, true));
}

void reef_debts_fail(struct reef_debts *debts, uint32_t handle) {
	for (uint32_t i = 0; i < debts->capacity; i++) {
		uint64_t key = debts->slots[i];
		if (key == 0)
			continue;
		struct reef_message *m = reef_message_new(sizeof reason - 1);
		memcpy(m->data, reason, sizeof reason - 1);
		m->source = handle;
		m->type = REEF_PTYPE_ERROR;
		m->session = (int32_t)(key & ~OWN & UINT32_MAX);
		if (key & OWN)
			m->flags |= REEF_MESSAGE_OWN;
		reef_send((uint32_t)(key >> 32), m);
	}
	reef_free(debts->slots);
	*debts = (struct reef_debts){0};
}
