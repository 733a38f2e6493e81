/* Requests that were left unanswered: see debts.h. */
#include "debts.h"

#include <stdbool.h>
#include <stddef.h>
#include <string.h>

#include "alloc.h"
#include "message.h"
#include "send.h"
#include "service.h"

#define FIRST_LIMIT 4096
#define OWN (UINT64_C(1) << 31)

static const char reason[] = "service ended before it answered the request";

/* The keys of the map: source << 32 | own << 31 | session. */
static const void *debt_key(uint32_t source, int32_t session, bool own) {
	return (const void *)(uintptr_t)((uint64_t)source << 32 | ((uint32_t)session & ~OWN) | (own ? OWN : 0));
}

static void note_debt(struct reef_ptrmap *pairs, const void *key) {
	if (!reef_ptrmap_put(pairs, key, NULL))
		reef_alloc_give_up(pairs->capacity * 2 * sizeof *pairs->slots);
}

/* Of those who live, only that they have asked something is kept. */
static void forget_sessions(struct reef_debts *debts) {
	struct reef_ptrmap old = debts->pairs;
	reef_ptrmap_init(&debts->pairs);
	for (size_t i = 0; i < old.capacity; i++) {
		uint32_t source = (uint32_t)((uintptr_t)old.slots[i].key >> 32);
		if (source != 0 && reef_service_alive(source))
			note_debt(&debts->pairs, debt_key(source, 0, true));
	}
	reef_ptrmap_fini(&old);
}

void reef_debts_add(struct reef_debts *debts, uint32_t source, int32_t session, int type) {
	if (source == 0)
		return;
	if (debts->limit == 0)
		debts->limit = FIRST_LIMIT;
	if (debts->pairs.count >= debts->limit) {
		forget_sessions(debts);
		if (debts->pairs.count > debts->limit / 2)
			debts->limit *= 2;
	}
	note_debt(&debts->pairs, debt_key(source, session, type != REEF_PTYPE_LUA && type != REEF_PTYPE_SNAX));
}

void reef_debts_remove(struct reef_debts *debts, uint32_t source, int32_t session) {
	if (debts->pairs.count == 0)
		return;
	reef_ptrmap_remove(&debts->pairs, debt_key(source, session, false));
	reef_ptrmap_remove(&debts->pairs, debt_key(source, session, true));
}

void reef_debts_fail(struct reef_debts *debts, uint32_t handle) {
	for (size_t i = 0; i < debts->pairs.capacity; i++) {
		uint64_t key = (uintptr_t)debts->pairs.slots[i].key;
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
	reef_ptrmap_fini(&debts->pairs);
	*debts = (struct reef_debts){0};
}
