/* However bytes are cut and whichever streams they belong to, the packets are those that a simple parser finds in each
 * whole stream, up to the first that is too long. The input is a byte for the size of lengths, one for the longest packet,
 * and a list of chunks: a byte that chooses one of four streams, a byte for the length, bytes. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "socket/lua/netpack.h"

#define STREAMS 4

struct stream {
	uint8_t *bytes;
	size_t size, checked;
	bool ended;
};

static size_t header, most;

static size_t length_at_front(const uint8_t *p) {
	size_t length = 0;
	for (size_t i = 0; i < header; i++)
		length = length << 8 | p[i];
	return length;
}

static void check(struct stream *stream, const struct reef_packet *packet) {
	const uint8_t *p = stream->bytes + stream->checked;
	assert(stream->size - stream->checked >= header + packet->size);
	assert(length_at_front(p) == packet->size && packet->size <= most);
	assert(memcmp(p + header, packet->data, packet->size) == 0);
	stream->checked += header + packet->size;
}

/* What is left of it is no whole packet, or begins one that is too long. */
static void check_rest(const struct stream *s) {
	size_t left = s->size - s->checked;
	if (s->ended)
		assert(left >= header && length_at_front(s->bytes + s->checked) > most);
	else
		assert(left < header || left - header < length_at_front(s->bytes + s->checked));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	if (size < 2)
		return 0;
	header = data[0] % 4 + 1u;
	most = header == 1 ? data[1] : data[1] * 4u;
	data += 2;
	size -= 2;
	struct stream streams[STREAMS] = {0};
	struct reef_netpack *queue = reef_netpack_new((int)header, most);
	for (int i = 0; i < STREAMS; i++)
		streams[i].bytes = malloc(size + 1);
	while (size >= 2) {
		int id = data[0] % STREAMS;
		size_t n = data[1] < size - 2 ? data[1] : size - 2;
		data += 2;
		size -= 2;
		if (!streams[id].ended) {
			memcpy(streams[id].bytes + streams[id].size, data, n);
			streams[id].size += n;
			streams[id].ended = !reef_netpack_feed(queue, id, data, n);
		}
		data += n;
		size -= n;
		struct reef_packet packet;
		while (reef_netpack_pop(queue, &packet)) {
			check(&streams[packet.id], &packet);
			reef_free(packet.data);
		}
		check_rest(&streams[id]);
	}
	for (int i = 0; i < STREAMS; i++)
		free(streams[i].bytes);
	reef_netpack_delete(queue);
	return 0;
}
