/* See events.h. The poller only notes bits and pushes the slot's event to the owner (output is the exception: it is flushed
 * right there, so that a busy owner does not stall it). Every callback may close the socket, pass it on or free what `ud`
 * points to: after each, everything is looked at afresh. */
#include "events.h"

#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "connect.h"
#include "core/service.h"
#include "expiry.h"
#include "listen.h"
#include "output.h"
#include "slot.h"
#include "socket/names/address.h"
#include "stream.h"
#include "teardown.h"
#include "tell.h"
#include "udp.h"

/* ---- the poller's side ---- */

void reef_events_polled(uint32_t id, uint32_t events) {
	if (id == 0) {
		reef_expiry_fire();
		return;
	}
	struct reef_slot *slot = reef_slot_peek(id);
	if (slot == NULL)
		return;
	if (events & atomic_load(&slot->blocked)) {
		slot = reef_slot_lock((int)id);
		if (slot == NULL)
			return;
		reef_output_flush(slot);
		reef_slot_unlock(slot);
	}
	/* Whoever begins to read after this looks for himself. */
	events &= (atomic_load(&slot->reading) ? REEF_SLOT_INPUT : 0u) |
			  (atomic_load(&slot->connecting) ? REEF_SLOT_INPUT | EPOLLOUT : 0u);
	if (events != 0 && !reef_slot_signal(slot, events)) {
		slot = reef_slot_lock((int)id);
		if (slot)
			reef_slot_unlock(slot);
	}
}

void reef_events_expired(struct reef_slot *slot) {
	switch (slot->state) {
	case REEF_SLOT_RESOLVING:
	case REEF_SLOT_CONNECTING:
		reef_connect_expired(slot);
		break;
	case REEF_SLOT_HANDSHAKE:
		reef_tls_too_late(slot->tls);
		reef_teardown_broken(slot, ETIMEDOUT);
		break;
	case REEF_SLOT_CLOSING:
		reef_teardown(slot);
		break;
	case REEF_SLOT_OPEN:
		/* A listener that could not accept tries again. */
		if (slot->kind == REEF_KIND_LISTEN)
			reef_slot_signal(slot, EPOLLIN);
		break;
	default:
		break;
	}
}

/* ---- the owner's side ---- */

static bool tell_opened(struct reef_slot *slot, uint32_t id, uint32_t owner) {
	struct reef_address address;
	char text[REEF_ADDRESS_SIZE] = "";
	if (slot->kind == REEF_KIND_STREAM ? reef_address_of_peer(slot->fd, &address) : reef_address_of(slot->fd, &address))
		reef_address_text(&address, text);
	const struct reef_sink *sink = slot->sink;
	void *ud = slot->ud;
	reef_slot_unlock(slot);
	if (sink && sink->opened)
		reef_tell_opened(sink, ud, (int)id, text);
	return reef_slot_relock(slot, owner);
}

static bool tell_warning(struct reef_slot *slot, uint32_t id, uint32_t owner) {
	const struct reef_sink *sink = slot->sink;
	void *ud = slot->ud;
	size_t kb = slot->warn_kb;
	bool drained = slot->warn_drained;
	slot->warn_kb = 0;
	slot->warn_drained = false;
	reef_slot_unlock(slot);
	if (kb != 0 && sink && sink->warning)
		reef_tell_warning(sink, ud, (int)id, kb);
	if (!reef_slot_relock(slot, owner))
		return false;
	if (!drained || slot->sink != sink || slot->ud != ud)
		return true;
	reef_slot_unlock(slot);
	if (sink && sink->warning)
		reef_tell_warning(sink, ud, (int)id, 0);
	return reef_slot_relock(slot, owner);
}

static bool tell_end(struct reef_slot *slot, uint32_t id, uint32_t owner, bool failed) {
	const struct reef_sink *sink = slot->sink;
	void *ud = slot->ud;
	int error = slot->error;
	char text[256];
	snprintf(text, sizeof text, "%s", slot->error_text ? slot->error_text : strerrordesc_np(error));
	reef_slot_unlock(slot);
	if (sink && failed && sink->failed)
		reef_tell_failed(sink, ud, (int)id, error, text);
	if (sink && !failed && sink->closed)
		reef_tell_closed(sink, ud, (int)id);
	return reef_slot_relock(slot, owner);
}

static bool read_input(struct reef_slot *slot, uint32_t id, uint32_t owner, uint32_t bits) {
	if (slot->state != REEF_SLOT_OPEN || !atomic_load(&slot->reading))
		return true;
	if (slot->kind == REEF_KIND_LISTEN)
		return reef_listen_accept(slot, id, owner);
	if (slot->kind == REEF_KIND_UDP)
		return reef_udp_read(slot, id, owner);
	return reef_stream_read(slot, id, owner, bits);
}

static void deliver_bits(struct reef_slot *slot, uint32_t id, uint32_t owner, uint32_t bits) {
	if ((bits & REEF_TELL_OPENED) && !tell_opened(slot, id, owner))
		return;
	if ((bits & REEF_SLOT_INPUT) && !read_input(slot, id, owner, bits))
		return;
	if ((bits & REEF_TELL_WARNING) && !tell_warning(slot, id, owner))
		return;
	if ((bits & REEF_TELL_FAILED) && !tell_end(slot, id, owner, true))
		return;
	if (bits & REEF_TELL_CLOSED)
		tell_end(slot, id, owner, false);
}

void reef_events_deliver(struct reef_service *service, struct reef_event *event) {
	struct reef_slot *slot = reef_slot_of(event, event);
	uint32_t me = reef_service_handle(service);
	struct reef_seam *seam = reef_seam_leave();
	pthread_mutex_lock(&slot->lock);
	/* Not before: between the two, whoever flushes could end the socket, find nothing left to be told, and free it. */
	uint32_t bits = atomic_exchange(&slot->ready, 0) & ~(uint32_t)REEF_SLOT_SIGNALLED;
	uint32_t id = atomic_load(&slot->id), owner = atomic_load(&slot->owner);
	if (owner != me) {
		if (owner != 0 && bits != 0)
			reef_slot_signal(slot, bits);
		reef_slot_unlock(slot);
		reef_seam_return(seam);
		return;
	}
	slot->delivering++;
	if (slot->state == REEF_SLOT_CONNECTING) {
		reef_connect_check(slot);
		/* `opened` comes first, as an event of its own; then what is there to read. */
		if (slot->state == REEF_SLOT_OPEN)
			reef_slot_signal(slot, bits & REEF_SLOT_INPUT);
	} else {
		if (slot->state == REEF_SLOT_HANDSHAKE) {
			reef_stream_handshake(slot);
			bits &= REEF_TELL;
		}
		deliver_bits(slot, id, me, bits);
	}
	slot->delivering--;
	reef_slot_unlock(slot);
	reef_seam_return(seam);
}

void reef_events_drop(struct reef_event *event) {
	struct reef_slot *slot = reef_slot_of(event, event);
	pthread_mutex_lock(&slot->lock);
	uint32_t bits = atomic_exchange(&slot->ready, 0) & ~(uint32_t)REEF_SLOT_SIGNALLED;
	uint32_t owner = atomic_load(&slot->owner);
	if (owner != 0 && bits != 0 && reef_service_alive(owner))
		reef_slot_signal(slot, bits);
	reef_slot_unlock(slot);
}
