/* Pieces of large blocks, in any order: what comes out whole is what a simple model has put together, what the model
 * refuses is refused, and nothing is ever kept beyond the limits. The input is a list of packets: a byte that chooses one of
 * three streams, a byte for the length, bytes. The model knows the format from docs/gates.md. */
#include <assert.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "socket/lua/blocks.h"

enum { STREAMS = 3, OPEN = 3, MOST = 300, TOGETHER = 400 };

struct open_block {
	bool used;
	uint32_t number, size, got;
	uint8_t bytes[MOST];
};

static struct open_block model[STREAMS][OPEN];

static uint32_t u32(const uint8_t *p) {
	return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static struct open_block *find(int stream, uint32_t number) {
	for (int i = 0; i < OPEN; i++) {
		if (model[stream][i].used && model[stream][i].number == number)
			return &model[stream][i];
	}
	return NULL;
}

static size_t together(int stream) {
	size_t sum = 0;
	for (int i = 0; i < OPEN; i++)
		sum += model[stream][i].used ? model[stream][i].got : 0;
	return sum;
}

static bool append_to(int stream, struct open_block *block, const uint8_t *bytes, size_t n) {
	if (n > block->size - block->got || together(stream) + n > TOGETHER)
		return false;
	memcpy(block->bytes + block->got, bytes, n);
	block->got += (uint32_t)n;
	return true;
}

static bool model_begin(int stream, uint32_t number, uint32_t size, const uint8_t *bytes, size_t n) {
	struct open_block *block = NULL;
	for (int i = 0; i < OPEN && block == NULL; i++)
		block = model[stream][i].used ? NULL : &model[stream][i];
	if (size == 0 || size > MOST || block == NULL || find(stream, number))
		return false;
	*block = (struct open_block){.used = true, .number = number, .size = size};
	return append_to(stream, block, bytes, n);
}

/* The block that the packet belongs to; NULL: it is refused. */
static struct open_block *model_add(int stream, const uint8_t *packet, size_t n) {
	if (n >= 9 && packet[n - 1] == 1) {
		uint32_t number = u32(packet + n - 9);
		return model_begin(stream, number, u32(packet + n - 5), packet, n - 9) ? find(stream, number) : NULL;
	}
	if (n <= 5 || packet[n - 1] != 2)
		return NULL;
	struct open_block *block = find(stream, u32(packet + n - 5));
	return block && append_to(stream, block, packet, n - 5) ? block : NULL;
}

static void check_packet(struct reef_blocks *blocks, int stream, const uint8_t *packet, size_t n) {
	void *copy = reef_malloc(n ? n : 1), *whole;
	memcpy(copy, packet, n);
	size_t size;
	const char *error;
	enum reef_blocks_result result = reef_blocks_add(blocks, stream, copy, n, &whole, &size, &error);
	if (n > 0 && packet[n - 1] == 0) {
		assert(result == REEF_BLOCKS_WHOLE && size == n - 1 && memcmp(whole, packet, size) == 0);
		reef_free(whole);
		return;
	}
	struct open_block *block = model_add(stream, packet, n);
	if (block == NULL) {
		assert(result == REEF_BLOCKS_WRONG && error);
		memset(model[stream], 0, sizeof model[stream]);
	} else if (block->got == block->size) {
		assert(result == REEF_BLOCKS_WHOLE && size == block->size && memcmp(whole, block->bytes, size) == 0);
		reef_free(whole);
		block->used = false;
	} else {
		assert(result == REEF_BLOCKS_PART);
	}
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	memset(model, 0, sizeof model);
	struct reef_blocks *blocks =
			reef_blocks_new(&(struct reef_blocks_limits){.most = MOST, .together = TOGETHER, .open = OPEN});
	while (size >= 2) {
		int stream = data[0] % (STREAMS + 1);
		size_t n = data[1] < size - 2 ? data[1] : size - 2;
		if (stream == STREAMS) {
			stream = data[1] % STREAMS;
			reef_blocks_forget(blocks, stream);
			memset(model[stream], 0, sizeof model[stream]);
			n = 0;
		} else {
			check_packet(blocks, stream, data + 2, n);
		}
		data += 2 + n;
		size -= 2 + n;
	}
	reef_blocks_delete(blocks);
	return 0;
}
