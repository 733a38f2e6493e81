/* See info.h. */
#include "info.h"
#include "core/clock.h"
#include "real.h"

#include "slot.h"

/* On the scale of reef_now_cs. */
static uint64_t stamp(uint64_t coarse_ns) {
	if (coarse_ns == 0)
		return 0;
	uint64_t now = reef_now_cs(), age = (reef_coarse_ns() - coarse_ns) / 10000000u;
	return age < now ? now - age : 0;
}

static enum reef_socket_type type_of(const struct reef_slot *slot) {
	if (slot->state == REEF_SLOT_CLOSING)
		return REEF_SOCKET_CLOSING;
	if (slot->state != REEF_SLOT_OPEN)
		return REEF_SOCKET_OPENING;
	static const enum reef_socket_type types[] = {
			[REEF_KIND_STREAM] = REEF_SOCKET_TCP,
			[REEF_KIND_LISTEN] = REEF_SOCKET_LISTEN,
			[REEF_KIND_UDP] = REEF_SOCKET_UDP,
			[REEF_KIND_BIND] = REEF_SOCKET_BIND,
	};
	return types[slot->kind];
}

bool reef_real_info_get(int id, struct reef_socket_info *info) {
	struct reef_slot *slot = reef_slot_lock(id);
	if (slot == NULL)
		return false;
	bool known = slot->state != REEF_SLOT_DEAD;
	*info = (struct reef_socket_info){
			.id = id,
			.owner = atomic_load(&slot->owner),
			.type = type_of(slot),
			.read = slot->read_bytes,
			.written = slot->written_bytes,
			.unsent = reef_slot_unsent(slot),
			.rtime = stamp(slot->read_ns),
			.wtime = stamp(slot->write_ns),
			.reading = atomic_load(&slot->reading),
			.writing = reef_slot_unsent(slot) > 0,
	};
	struct reef_address address;
	bool own = slot->kind == REEF_KIND_LISTEN;
	if (slot->fd >= 0 && slot->kind != REEF_KIND_BIND &&
		(own ? reef_address_of(slot->fd, &address) : reef_address_of_peer(slot->fd, &address)))
		reef_address_text(&address, info->name);
	reef_slot_unlock(slot);
	return known;
}

int reef_real_info_next(int id) {
	for (int i = id == 0 ? 0 : id % REEF_SLOTS + 1; i < REEF_SLOTS; i++) {
		struct reef_slot *slot = reef_slot_at(i);
		uint32_t found = slot ? atomic_load(&slot->id) : 0;
		if (found != 0)
			return (int)found;
	}
	return 0;
}
