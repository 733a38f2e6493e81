/* See teardown.h. */
#include "teardown.h"

#include <unistd.h>

#include "attempts.h"
#include "core/alloc.h"
#include "core/net.h"
#include "core/poller.h"
#include "datagrams.h"
#include "expiry.h"
#include "secure.h"

static void close_fd(struct reef_slot *slot) {
	if (slot->fd < 0)
		return;
	if (slot->kind == REEF_KIND_BIND) {
		if (slot->polled)
			reef_poller_remove(slot->fd);
	} else {
		reef_net->close(slot->fd);
	}
	slot->fd = -1;
	slot->polled = false;
}

static void end_tls(struct reef_slot *slot) {
	/* A stream that lacks something does not end with a goodbye. */
	if (slot->fd >= 0 && reef_slot_unsent(slot) == 0)
		(void)reef_secure_part(slot);
	const char *error = reef_tls_error(slot->tls);
	if (error) {
		reef_free(slot->error_text);
		slot->error_text = reef_strdup(error);
	}
	reef_tls_delete(slot->tls);
	slot->tls = NULL;
}

void reef_teardown(struct reef_slot *slot) {
	if (slot->tls)
		end_tls(slot);
	close_fd(slot);
	reef_wqueue_clear(&slot->out);
	reef_datagrams_clear(slot);
	reef_attempts_end(slot);
	reef_expiry_set(slot, 0);
	atomic_store(&slot->reading, false);
	atomic_store(&slot->connecting, false);
	atomic_store(&slot->blocked, 0);
	slot->state = REEF_SLOT_DEAD;
}

void reef_teardown_broken(struct reef_slot *slot, int error) {
	slot->error = error;
	reef_teardown(slot);
	if (!slot->end_told) {
		slot->end_told = true;
		reef_slot_tell(slot, REEF_TELL_FAILED);
	}
}
