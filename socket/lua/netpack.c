/* See netpack.h. Incomplete packets are found by the stream's id; there are only as many as streams that were cut in
 * mid-packet. */
#include "netpack.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/ptrmap.h"

#define FIRST_ROOM 4096 /* bytes for a packet that has just begun */

struct partial {
	int id;
	int header; /* bytes of the length that are known */
	size_t size, got, room;
	unsigned char *data; /* `room` bytes; NULL until the length is known */
	uint64_t since_ns;
};

/* Where whole packets go. */
struct taker {
	reef_netpack_take take;
	void *ud;
};

struct reef_netpack {
	int header;
	size_t most;
	struct reef_ptrmap partials; /* by id */
	struct reef_packet *packets; /* a ring */
	size_t first, count, room;
};

struct reef_netpack *reef_netpack_new(int header, size_t most) {
	struct reef_netpack *queue = reef_calloc(1, sizeof *queue);
	queue->header = header;
	queue->most = most;
	reef_ptrmap_init(&queue->partials);
	return queue;
}

static void partial_delete(struct partial *partial) {
	reef_free(partial->data);
	reef_free(partial);
}

void reef_netpack_clear(struct reef_netpack *queue) {
	struct reef_packet packet;
	while (reef_netpack_pop(queue, &packet))
		reef_free(packet.data);
	for (size_t i = 0; i < queue->partials.capacity; i++) {
		if (queue->partials.slots[i].key)
			partial_delete(queue->partials.slots[i].value);
	}
	reef_ptrmap_fini(&queue->partials);
	reef_ptrmap_init(&queue->partials);
}

void reef_netpack_delete(struct reef_netpack *queue) {
	reef_netpack_clear(queue);
	reef_ptrmap_fini(&queue->partials);
	reef_free(queue->packets);
	reef_free(queue);
}

/* ---- complete ones ---- */

static void netpack_push_packet(struct reef_netpack *queue, struct reef_packet packet) {
	if (queue->count == queue->room) {
		size_t room = queue->room ? queue->room * 2 : 16;
		struct reef_packet *packets = reef_malloc(room * sizeof *packets);
		for (size_t i = 0; i < queue->count; i++)
			packets[i] = queue->packets[(queue->first + i) & (queue->room - 1)];
		reef_free(queue->packets);
		queue->packets = packets;
		queue->first = 0;
		queue->room = room;
	}
	queue->packets[(queue->first + queue->count++) & (queue->room - 1)] = packet;
}

size_t reef_netpack_count(const struct reef_netpack *queue) {
	return queue->count;
}

bool reef_netpack_pop(struct reef_netpack *queue, struct reef_packet *packet) {
	if (queue->count == 0)
		return false;
	*packet = queue->packets[queue->first];
	queue->first = (queue->first + 1) & (queue->room - 1);
	queue->count--;
	return true;
}

/* ---- incomplete ones ---- */

/* Never NULL, whatever id somebody has made up. */
static const void *key_of(int id) {
	return (const void *)((uintptr_t)(unsigned)id + 1);
}

void reef_netpack_forget(struct reef_netpack *queue, int id) {
	struct partial *partial = reef_ptrmap_remove(&queue->partials, key_of(id));
	if (partial)
		partial_delete(partial);
}

size_t reef_netpack_unfinished(const struct reef_netpack *queue, uint64_t before_ns, int *ids, size_t max) {
	size_t count = 0;
	for (size_t i = 0; i < queue->partials.capacity && count < max; i++) {
		const struct partial *partial = queue->partials.slots[i].value;
		if (queue->partials.slots[i].key && partial->since_ns < before_ns)
			ids[count++] = partial->id;
	}
	return count;
}

/* Room for `n` bytes more of the packet. */
static void enlarge(struct partial *partial, size_t n) {
	size_t wanted = partial->got + n, room = partial->room ? partial->room * 2 : FIRST_ROOM;
	if (partial->data && wanted <= partial->room)
		return;
	if (room < wanted)
		room = wanted;
	if (room > partial->size)
		room = partial->size;
	partial->data = reef_realloc(partial->data, room ? room : 1);
	partial->room = room;
}

/* Adds to the incomplete packet; returns how many bytes that took. A finished one is given away and forgotten. One that is
 * too long is forgotten: *ok is false then. */
static size_t complete(struct reef_netpack *queue, struct partial *partial, const unsigned char *bytes, size_t n,
					   const struct taker *taker, bool *ok) {
	size_t used = 0;
	while (partial->header < queue->header && used < n) {
		partial->size = partial->size << 8 | bytes[used++];
		partial->header++;
	}
	if (partial->header < queue->header)
		return used;
	if (partial->size > queue->most) {
		*ok = false;
		reef_netpack_forget(queue, partial->id);
		return n;
	}
	size_t lacks = partial->size - partial->got, take = n - used < lacks ? n - used : lacks;
	enlarge(partial, take);
	memcpy(partial->data + partial->got, bytes + used, take);
	partial->got += take;
	used += take;
	if (partial->got == partial->size) {
		unsigned char *data = partial->data;
		size_t size = partial->size;
		reef_ptrmap_remove(&queue->partials, key_of(partial->id));
		reef_free(partial);
		taker->take(taker->ud, data, size, data);
	}
	return used;
}

static void keep_partial(struct reef_netpack *queue, int id, const unsigned char *bytes, size_t n, bool *ok) {
	struct partial *partial = reef_calloc(1, sizeof *partial);
	partial->id = id;
	partial->since_ns = reef_coarse_ns();
	if (!reef_ptrmap_put(&queue->partials, key_of(id), partial))
		reef_alloc_give_up(sizeof *partial);      /* half a packet lost would be a stream read wrongly */
	complete(queue, partial, bytes, n, NULL, ok); /* it is not whole */
}

static size_t length_at(const struct reef_netpack *queue, const unsigned char *bytes) {
	size_t size = 0;
	for (int i = 0; i < queue->header; i++)
		size = size << 8 | bytes[i];
	return size;
}

bool reef_netpack_cut(struct reef_netpack *queue, int id, const void *data, size_t n, reef_netpack_take take,
					  void *ud) {
	const struct taker taker = {.take = take, .ud = ud};
	const unsigned char *bytes = data;
	size_t header = (size_t)queue->header;
	struct partial *partial = queue->partials.count ? reef_ptrmap_get(&queue->partials, key_of(id)) : NULL;
	bool ok = true;
	size_t used = partial ? complete(queue, partial, bytes, n, &taker, &ok) : 0;
	while (n - used >= header) {
		size_t size = length_at(queue, bytes + used);
		if (size > queue->most || n - used - header < size)
			break;
		take(ud, bytes + used + header, size, NULL);
		used += header + size;
	}
	if (used < n)
		keep_partial(queue, id, bytes + used, n - used, &ok);
	return ok;
}

struct stream {
	struct reef_netpack *queue;
	int id;
};

/* A reef_netpack_take. */
static void push_packet(void *ud, const void *packet, size_t size, void *block) {
	const struct stream *stream = ud;
	if (block == NULL)
		block = memcpy(reef_malloc(size ? size : 1), packet, size);
	netpack_push_packet(stream->queue, (struct reef_packet){.id = stream->id, .data = block, .size = size});
}

bool reef_netpack_feed(struct reef_netpack *queue, int id, const void *bytes, size_t n) {
	struct stream stream = {.queue = queue, .id = id};
	return reef_netpack_cut(queue, id, bytes, n, push_packet, &stream);
}
