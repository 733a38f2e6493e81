/* See stream.h. What is sent is cut into pieces, each with a delay of its own, none of which overtakes another. Across a
 * partition pieces wait, as what TCP sends again and again does. */
#include "stream.h"

#include <errno.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/alloc.h"
#include "core/sim.h"
#include "links.h"

#define SECOND 1e9
#define TELL_NS 60000u      /* within which the poller sees what has come about */
#define AGAIN_NS 200000000u /* after which what did not get through is tried again */
#define SMALL_WINDOW 4096u
#define WINDOW 262144u
#define PIECES 4

struct reef_sim_piece {
	struct reef_sim_piece *next;
	uint64_t when;
	enum reef_sim_what what;
	size_t size;
	char bytes[];
};

/* ---- telling ---- */

uint32_t reef_sim_stream_ready(const struct reef_sim_end *end) {
	uint32_t events = 0;
	switch (end->state) {
	case REEF_SIM_LISTENING:
		return end->pending.count > 0 ? EPOLLIN : 0;
	case REEF_SIM_BROKEN:
		return EPOLLIN | EPOLLOUT | EPOLLRDHUP | EPOLLERR | EPOLLHUP;
	case REEF_SIM_OPEN:
		if (end->size > 0 || end->end_came)
			events |= EPOLLIN;
		if (end->end_came)
			events |= EPOLLRDHUP;
		if (reef_sim_stream_room(end) > 0)
			events |= EPOLLOUT;
		if (end->end_came && end->end_sent)
			events |= EPOLLHUP;
		return events;
	default:
		return 0;
	}
}

static void tell(void *ud, uint64_t life) {
	struct reef_sim_end *end = ud;
	if (end->life != life)
		return;
	end->telling = false;
	uint32_t events = reef_sim_stream_ready(end) & (end->events | EPOLLERR | EPOLLHUP);
	if (end->watched && events != 0)
		reef_poller_tell(end->kind, end->id, events);
}

void reef_sim_stream_poke(struct reef_sim_end *end) {
	if (!end->watched || end->telling)
		return;
	end->telling = true;
	reef_sim_at(reef_sim_now() + reef_sim_below(REEF_SIM_NETWORK, TELL_NS), tell, end, end->life);
}

/* ---- on the way ---- */

static uint64_t draw_seconds(double least, double most) {
	return (uint64_t)((least + (most - least) * reef_sim_unit(REEF_SIM_NETWORK)) * SECOND);
}

uint64_t reef_sim_stream_delay(void) {
	return draw_seconds(reef_sim_network.delay_least, reef_sim_network.delay_most);
}

static void add_bytes(struct reef_sim_end *end, const char *bytes, size_t size) {
	if (end->size + size > end->capacity) {
		end->capacity = (end->size + size) * 2;
		end->bytes = reef_realloc(end->bytes, end->capacity);
	}
	memcpy(end->bytes + end->size, bytes, size);
	end->size += size;
}

static void arrive(struct reef_sim_end *end, const struct reef_sim_piece *piece) {
	end->on_way -= piece->size;
	if (piece->what == REEF_SIM_BYTES)
		add_bytes(end, piece->bytes, piece->size);
	else if (piece->what == REEF_SIM_END)
		end->end_came = true;
	else
		reef_sim_stream_break(end, ECONNRESET);
	reef_sim_stream_poke(end);
}

static void pump(void *ud, uint64_t life);

static void set_pump(struct reef_sim_end *end, uint64_t when) {
	if (end->pump_at != 0 && end->pump_at <= when)
		return;
	end->pump_at = when;
	reef_sim_at(when, pump, end, end->life);
}

static void pump(void *ud, uint64_t life) {
	struct reef_sim_end *end = ud;
	if (end->life != life || end->pump_at > reef_sim_now())
		return;
	end->pump_at = 0;
	while (end->first && end->first->when <= reef_sim_now() && !reef_sim_net_parted(end->here, end->there)) {
		struct reef_sim_piece *piece = end->first;
		end->first = piece->next;
		if (end->first == NULL)
			end->last = &end->first;
		arrive(end, piece);
		reef_free(piece);
	}
	if (end->first == NULL)
		return;
	uint64_t when = end->first->when;
	set_pump(end, when > reef_sim_now() ? when : reef_sim_now() + AGAIN_NS);
}

static void send_piece(struct reef_sim_end *to, enum reef_sim_what what, const char *bytes, size_t size) {
	struct reef_sim_piece *piece = reef_malloc(sizeof *piece + size);
	uint64_t when = reef_sim_now() + reef_sim_stream_delay();
	if (reef_sim_fault(reef_sim_network.stall))
		when += draw_seconds(0, reef_sim_network.stall_most);
	if (when < to->arrival)
		when = to->arrival;
	if (to->rate > 0)
		when += (uint64_t)((double)size / to->rate * SECOND);
	*piece = (struct reef_sim_piece){.when = when, .what = what, .size = size};
	if (size > 0)
		memcpy(piece->bytes, bytes, size);
	to->arrival = when;
	to->on_way += size;
	*to->last = piece;
	to->last = &piece->next;
	set_pump(to, when);
}

void reef_sim_stream_post(struct reef_sim_end *from, enum reef_sim_what what, const char *bytes, size_t size) {
	struct reef_sim_end *to = from->other;
	uint64_t pieces =
			size > 1 && reef_sim_below(REEF_SIM_NETWORK, 2) == 0 ? reef_sim_below(REEF_SIM_NETWORK, PIECES) : 0;
	for (; pieces > 0 && size > 1; pieces--) {
		size_t part = 1 + (size_t)reef_sim_below(REEF_SIM_NETWORK, size - 1);
		send_piece(to, what, bytes, part);
		bytes += part;
		size -= part;
	}
	send_piece(to, what, bytes, size);
}

/* ---- ends ---- */

static void make_stream(struct reef_sim_end *end, struct reef_sim_end *other) {
	end->other = other;
	end->last = &end->first;
	bool small = reef_sim_below(REEF_SIM_NETWORK, 4) == 0;
	end->window = 1 + (size_t)reef_sim_below(REEF_SIM_NETWORK, small ? SMALL_WINDOW : WINDOW);
	if (reef_sim_fault(reef_sim_network.slow))
		end->rate = 500 + (double)reef_sim_below(REEF_SIM_NETWORK, 20000);
}

void reef_sim_stream_join(struct reef_sim_end *one, struct reef_sim_end *other) {
	make_stream(one, other);
	make_stream(other, one);
}

size_t reef_sim_stream_room(const struct reef_sim_end *end) {
	const struct reef_sim_end *to = end->other;
	if (to == NULL)
		return end->end_sent ? 0 : SMALL_WINDOW; /* nobody knows yet that it is gone */
	size_t used = to->size + to->on_way;
	return used < to->window && !end->end_sent ? to->window - used : 0;
}

size_t reef_sim_stream_take(struct reef_sim_end *end, char *to, size_t size) {
	if (size > end->size)
		size = end->size;
	memcpy(to, end->bytes, size);
	end->size -= size;
	memmove(end->bytes, end->bytes + size, end->size);
	if (size > 0 && end->other && end->other->blocked) {
		end->other->blocked = false;
		reef_sim_stream_poke(end->other);
	}
	return size;
}

void reef_sim_stream_break(struct reef_sim_end *end, int error) {
	if (end->state != REEF_SIM_OPEN && end->state != REEF_SIM_CONNECTING)
		return;
	end->state = REEF_SIM_BROKEN;
	end->error = error;
	if (end->other)
		end->other->other = NULL;
	end->other = NULL;
	reef_sim_stream_poke(end);
}

void reef_sim_stream_forget(struct reef_sim_end *end) {
	while (end->first) {
		struct reef_sim_piece *piece = end->first;
		end->first = piece->next;
		reef_free(piece);
	}
	reef_free(end->bytes);
	end->bytes = NULL;
	end->size = end->capacity = end->on_way = 0;
}
