/* See netpack.h. Incomplete packets are found by the id's stream in a small chained table; there are only as many as
 * streams that were cut in mid-packet. A length is at most 65535, so a peer that lies about it pins that much. */
#include "socket/netpack.h"

#include <string.h>

#include "core/alloc.h"

#define BUCKETS 256

struct partial {
	struct partial *next;
	int id;
	int header; /* bytes of the length that are known, 0 to 2 */
	size_t size, got;
	unsigned char *data; /* NULL until the length is known */
};

struct reef_netpack {
	struct partial *partials[BUCKETS];
	struct reef_packet *packets; /* a ring */
	size_t first, count, room;
};

struct reef_netpack *reef_netpack_new(void) {
	return reef_calloc(1, sizeof(struct reef_netpack));
}

void reef_netpack_clear(struct reef_netpack *queue) {
	struct reef_packet packet;
	while (reef_netpack_pop(queue, &packet))
		reef_free(packet.data);
	for (int i = 0; i < BUCKETS; i++) {
		while (queue->partials[i])
			reef_netpack_forget(queue, queue->partials[i]->id);
	}
}

void reef_netpack_delete(struct reef_netpack *queue) {
	reef_netpack_clear(queue);
	reef_free(queue->packets);
	reef_free(queue);
}

/* ---- complete ones ---- */

static void push(struct reef_netpack *queue, struct reef_packet packet) {
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

static struct partial **find(struct reef_netpack *queue, int id) {
	struct partial **link = &queue->partials[(unsigned)id % BUCKETS];
	while (*link && (*link)->id != id)
		link = &(*link)->next;
	return link;
}

void reef_netpack_forget(struct reef_netpack *queue, int id) {
	struct partial **link = find(queue, id), *partial = *link;
	if (partial == NULL)
		return;
	*link = partial->next;
	reef_free(partial->data);
	reef_free(partial);
}

static void *new_data(size_t size) {
	return reef_malloc(size ? size : 1);
}

/* Adds to the incomplete packet; returns how many bytes that took. A finished one is queued and forgotten. */
static size_t complete(struct reef_netpack *queue, struct partial **link, const unsigned char *bytes, size_t n) {
	struct partial *partial = *link;
	size_t used = 0;
	while (partial->header < 2 && used < n) {
		partial->size = partial->size << 8 | bytes[used++];
		partial->header++;
	}
	if (partial->header < 2)
		return used;
	if (partial->data == NULL)
		partial->data = new_data(partial->size);
	size_t lacks = partial->size - partial->got, take = n - used < lacks ? n - used : lacks;
	memcpy(partial->data + partial->got, bytes + used, take);
	partial->got += take;
	used += take;
	if (partial->got == partial->size) {
		push(queue, (struct reef_packet){.id = partial->id, .data = partial->data, .size = partial->size});
		*link = partial->next;
		reef_free(partial);
	}
	return used;
}

void reef_netpack_feed(struct reef_netpack *queue, int id, const void *data, size_t n) {
	const unsigned char *bytes = data;
	struct partial **link = find(queue, id);
	size_t used = *link ? complete(queue, link, bytes, n) : 0;
	while (n - used >= 2) {
		size_t size = (size_t)bytes[used] << 8 | bytes[used + 1];
		if (n - used - 2 < size)
			break;
		void *body = new_data(size);
		memcpy(body, bytes + used + 2, size);
		push(queue, (struct reef_packet){.id = id, .data = body, .size = size});
		used += 2 + size;
	}
	if (used == n)
		return;
	struct partial *partial = reef_calloc(1, sizeof *partial);
	partial->id = id;
	link = &queue->partials[(unsigned)id % BUCKETS];
	partial->next = *link;
	*link = partial;
	complete(queue, link, bytes + used, n - used);
}
