/* See blocks.h. */
#include "blocks.h"

#include <stdatomic.h>
#include <string.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/clock.h"
#include "core/ptrmap.h"
#include "core/seam.h"
#include "socket/socket.h"

enum { KIND_WHOLE, KIND_FIRST, KIND_MORE };
enum { LENGTH = 2, NUMBER = 4 };
#define FIRST_TRAILER (2 * NUMBER + 1)
#define MORE_TRAILER (NUMBER + 1)
#define FIRST_ROOM 4096

struct block {
	uint32_t number;
	size_t size, got, room;
	char *data; /* `room` bytes */
};

struct stream {
	int id;
	uint64_t since_ns; /* when it began to have unfinished blocks */
	size_t bytes;      /* in all of them */
	struct REEF_ARRAY(struct block) open;
};

struct reef_blocks {
	struct reef_blocks_limits limits;
	struct reef_ptrmap streams; /* those with unfinished blocks, by id + 1 */
};

struct reef_blocks *reef_blocks_new(const struct reef_blocks_limits *limits) {
	struct reef_blocks *blocks = reef_malloc(sizeof *blocks);
	blocks->limits = *limits;
	reef_ptrmap_init(&blocks->streams);
	return blocks;
}

static void stream_delete(struct stream *stream) {
	for (size_t i = 0; i < stream->open.count; i++)
		reef_free(stream->open.items[i].data);
	reef_array_fini(&stream->open);
	reef_free(stream);
}

void reef_blocks_delete(struct reef_blocks *blocks) {
	for (size_t i = 0; i < blocks->streams.capacity; i++) {
		if (blocks->streams.slots[i].key)
			stream_delete(blocks->streams.slots[i].value);
	}
	reef_ptrmap_fini(&blocks->streams);
	reef_free(blocks);
}

static const void *key_of_stream(int id) {
	return (const void *)((uintptr_t)(unsigned)id + 1);
}

void reef_blocks_forget(struct reef_blocks *blocks, int id) {
	struct stream *stream = reef_ptrmap_remove(&blocks->streams, key_of_stream(id));
	if (stream)
		stream_delete(stream);
}

size_t reef_blocks_unfinished(const struct reef_blocks *blocks, uint64_t before_ns, int *streams, size_t max) {
	size_t count = 0;
	for (size_t i = 0; i < blocks->streams.capacity && count < max; i++) {
		const struct stream *stream = blocks->streams.slots[i].value;
		if (blocks->streams.slots[i].key && stream->since_ns < before_ns)
			streams[count++] = stream->id;
	}
	return count;
}

static uint32_t number_at(const char *p) {
	const unsigned char *bytes = (const unsigned char *)p;
	return (uint32_t)bytes[0] << 24 | (uint32_t)bytes[1] << 16 | (uint32_t)bytes[2] << 8 | bytes[3];
}

static void put_number(char *p, uint32_t n) {
	for (int i = 0; i < NUMBER; i++)
		p[i] = (char)(n >> (8 * (NUMBER - 1 - i)));
}

static struct block *block_of(struct stream *stream, uint32_t number) {
	for (size_t i = 0; stream && i < stream->open.count; i++) {
		if (stream->open.items[i].number == number)
			return &stream->open.items[i];
	}
	return NULL;
}

/* The stream's record, made if it has none; NULL when out of memory. */
static struct stream *stream_of(struct reef_blocks *blocks, int id) {
	struct stream *stream = reef_ptrmap_get(&blocks->streams, key_of_stream(id));
	if (stream)
		return stream;
	stream = reef_calloc(1, sizeof *stream);
	stream->id = id;
	stream->since_ns = reef_coarse_ns();
	if (reef_ptrmap_put(&blocks->streams, key_of_stream(id), stream))
		return stream;
	reef_free(stream);
	return NULL;
}

/* NULL, or why n bytes more do not fit. */
static const char *append(const struct reef_blocks *blocks, struct stream *stream, struct block *block,
						  const char *bytes, size_t n) {
	if (n == 0)
		return NULL;
	if (n > block->size - block->got)
		return "a block is longer than was announced";
	if (n > blocks->limits.together - stream->bytes)
		return "too many bytes in unfinished blocks";
	if (block->got + n > block->room) {
		size_t room = block->room ? block->room * 2 : FIRST_ROOM;
		room = room < block->got + n ? block->got + n : room;
		room = room > block->size ? block->size : room;
		char *data = reef_try_realloc(block->data, room);
		if (data == NULL)
			return "not enough memory for a block";
		block->data = data;
		block->room = room;
	}
	memcpy(block->data + block->got, bytes, n);
	block->got += n;
	stream->bytes += n;
	return NULL;
}

/* `bytes` is the first piece, n bytes. */
static const char *begin(struct reef_blocks *blocks, int id, uint32_t number, size_t size, const char *bytes, size_t n,
						 struct stream **stream, struct block **block) {
	if (size > blocks->limits.most)
		return "a block is longer than is allowed";
	if (size == 0)
		return "a block of no bytes";
	*stream = stream_of(blocks, id);
	if (*stream == NULL)
		return "not enough memory for a block";
	if ((*stream)->open.count >= blocks->limits.open)
		return "too many unfinished blocks";
	if (block_of(*stream, number))
		return "a second block with the number of an unfinished one";
	*block = reef_array_add(&(*stream)->open);
	if (*block == NULL)
		return "not enough memory for a block";
	(*block)->number = number;
	(*block)->size = size;
	return append(blocks, *stream, *block, bytes, n);
}

static const char *add_piece(struct reef_blocks *blocks, int id, const char *packet, size_t n, struct stream **stream,
							 struct block **block) {
	int kind = n > 0 ? packet[n - 1] : -1;
	if (kind == KIND_FIRST && n >= FIRST_TRAILER) {
		const char *trailer = packet + n - FIRST_TRAILER;
		return begin(blocks, id, number_at(trailer), number_at(trailer + NUMBER), packet, n - FIRST_TRAILER, stream,
					 block);
	}
	if (kind != KIND_MORE || n < MORE_TRAILER)
		return "neither a message nor a piece of one";
	*stream = reef_ptrmap_get(&blocks->streams, key_of_stream(id));
	*block = block_of(*stream, number_at(packet + n - MORE_TRAILER));
	if (*block == NULL)
		return "a piece of no block";
	if (n == MORE_TRAILER)
		return "a piece of no bytes";
	return append(blocks, *stream, *block, packet, n - MORE_TRAILER);
}

/* A whole block leaves its stream, which is forgotten if it was the last one. */
static void finish(struct reef_blocks *blocks, struct stream *stream, struct block *block, void **whole, size_t *size) {
	*whole = block->data;
	*size = block->size;
	stream->bytes -= block->size;
	*block = stream->open.items[--stream->open.count];
	if (stream->open.count == 0)
		reef_blocks_forget(blocks, stream->id);
}

enum reef_blocks_result reef_blocks_add(struct reef_blocks *blocks, int id, void *packet, size_t n, void **whole,
										size_t *size, const char **error) {
	if (n > 0 && ((const char *)packet)[n - 1] == KIND_WHOLE) {
		*whole = packet;
		*size = n - 1;
		return REEF_BLOCKS_WHOLE;
	}
	struct stream *stream = NULL;
	struct block *block = NULL;
	*error = add_piece(blocks, id, packet, n, &stream, &block);
	reef_free(packet);
	if (*error) {
		reef_blocks_forget(blocks, id);
		return REEF_BLOCKS_WRONG;
	}
	if (block->got < block->size)
		return REEF_BLOCKS_PART;
	finish(blocks, stream, block, whole, size);
	return REEF_BLOCKS_WHOLE;
}

/* ---- sending ---- */

/* A packet: its length, n bytes, and room for the trailer. */
static char *packet_of(const char *bytes, size_t n, size_t trailer) {
	size_t body = n + trailer;
	char *packet = reef_try_malloc(LENGTH + body);
	if (packet == NULL)
		return NULL;
	packet[0] = (char)(body >> 8);
	packet[1] = (char)body;
	if (n > 0)
		memcpy(packet + LENGTH, bytes, n);
	packet[LENGTH + body - 1] = (char)(trailer == FIRST_TRAILER  ? KIND_FIRST
									   : trailer == MORE_TRAILER ? KIND_MORE
																 : KIND_WHOLE);
	return packet;
}

bool reef_blocks_send(int socket, const void *data, size_t n) {
	static atomic_uint last_number;
	const char *bytes = data;
	if (n <= REEF_BLOCKS_PIECE) {
		char *packet = packet_of(bytes, n, 1);
		return packet && reef_socket_write_take(socket, packet, LENGTH + n + 1, REEF_NORMAL);
	}
	if (n > UINT32_MAX)
		return false;
	uint32_t number = (uint32_t)reef_seam_number(REEF_SEAM_STATE, atomic_fetch_add(&last_number, 1));
	for (size_t at = 0; at < n;) {
		size_t part = n - at < REEF_BLOCKS_PIECE ? n - at : REEF_BLOCKS_PIECE;
		size_t trailer = at == 0 ? FIRST_TRAILER : MORE_TRAILER;
		char *packet = packet_of(bytes + at, part, trailer);
		if (packet == NULL) {
			reef_socket_shutdown(socket); /* half a block would never become a whole one */
			return false;
		}
		put_number(packet + LENGTH + part, number);
		if (at == 0)
			put_number(packet + LENGTH + part + NUMBER, (uint32_t)n);
		if (!reef_socket_write_take(socket, packet, LENGTH + part + trailer, REEF_LOW))
			return false;
		at += part;
	}
	return true;
}
