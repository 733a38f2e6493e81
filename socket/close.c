/* See close.h. */
#include "close.h"
#include "core/clock.h"

#include "core/alloc.h"
#include "expiry.h"
#include "output.h"
#include "teardown.h"

void reef_close(struct reef_slot *slot) {
	if (slot->state == REEF_SLOT_CLOSING || slot->state == REEF_SLOT_DEAD)
		return;
	if (!slot->end_told) {
		slot->end_told = true;
		reef_slot_tell(slot, REEF_TELL_CLOSED);
	}
	atomic_store(&slot->reading, false);
	bool greeted = slot->state == REEF_SLOT_HANDSHAKE && reef_tls_is_server(slot->tls) && slot->out.size > 0;
	if ((slot->state != REEF_SLOT_OPEN && !greeted) || slot->kind == REEF_KIND_LISTEN) {
		reef_teardown(slot);
		return;
	}
	slot->state = REEF_SLOT_CLOSING;
	atomic_store(&slot->connecting, false);
	if (slot->linger_ns != 0)
		reef_output_flush(slot);
	if (slot->state != REEF_SLOT_CLOSING)
		return;
	if (slot->linger_ns == 0)
		reef_teardown(slot);
	else
		reef_expiry_set(slot, reef_now_ns() + slot->linger_ns);
}

void reef_close_at_once(struct reef_slot *slot) {
	slot->linger_ns = 0;
	if (slot->state == REEF_SLOT_CLOSING)
		reef_teardown(slot);
	else
		reef_close(slot);
}

void reef_close_orphans(uint32_t owner) {
	uint32_t *ids = reef_slot_owned_ids(owner);
	for (uint32_t *id = ids; id && *id != 0; id++) {
		struct reef_slot *slot = reef_slot_lock((int)*id);
		if (slot == NULL)
			continue;
		if (atomic_load(&slot->owner) == owner) {
			slot->sink = NULL;
			reef_close(slot);
			atomic_fetch_and(&slot->ready, ~(uint32_t)REEF_TELL);
			reef_slot_set_owner(slot, 0);
		}
		reef_slot_unlock(slot);
	}
	reef_free(ids);
}
