/* However bytes are cut and whichever streams they belong to, the packets are those that a simple parser finds in each
 * whole stream. The input is a list of chunks: a byte that chooses one of four streams, a byte for the length, bytes. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "socket/lua/netpack.h"

#define STREAMS 4

struct stream {
	uint8_t *bytes;
	size_t size, checked;
};

static void check(struct stream *stream, const struct reef_packet *packet) {
	const uint8_t *p = stream->bytes + stream->checked;
	assert(stream->size - stream->checked >= 2 + packet->size);
	assert(((size_t)p[0] << 8 | p[1]) == packet->size);
	assert(memcmp(p + 2, packet->data, packet->size) == 0);
	stream->checked += 2 + packet->size;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	struct stream streams[STREAMS] = {0};
	struct reef_netpack *queue = reef_netpack_new(2, 65535);
	for (int i = 0; i < STREAMS; i++)
		streams[i].bytes = malloc(size + 1);
	while (size >= 2) {
		int id = data[0] % STREAMS;
		size_t n = data[1] < size - 2 ? data[1] : size - 2;
		data += 2;
		size -= 2;
		memcpy(streams[id].bytes + streams[id].size, data, n);
		streams[id].size += n;
		reef_netpack_feed(queue, id, data, n);
		data += n;
		size -= n;
		struct reef_packet packet;
		while (reef_netpack_pop(queue, &packet)) {
			check(&streams[packet.id], &packet);
			reef_free(packet.data);
		}
	}
	for (int i = 0; i < STREAMS; i++) {
		const struct stream *s = &streams[i];
		size_t left = s->size - s->checked;
		assert(left < 2 || left - 2 < ((size_t)s->bytes[s->checked] << 8 | s->bytes[s->checked + 1]));
		free(s->bytes);
	}
	reef_netpack_delete(queue);
	return 0;
}
