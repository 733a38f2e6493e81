/* Whatever the bytes of a record are, it is read up to what is wrong, which is named with its offset, and not beyond; what was
 * read can be described; and values are those of a record or none. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "core/record/describe.h"
#include "core/record/format.h"
#include "core/record/values.h"
#include "core/text.h"

static int push(lua_State *L) {
	const struct reef_item *item = lua_touserdata(L, 1);
	int n = reef_values_push(L, item->bytes, item->size);
	assert(n == lua_gettop(L) - 1 || n < 0);
	struct reef_text again = {0};
	if (n > 0)
		(void)reef_values_add(&again, L, 2);
	reef_text_free(&again);
	return 0;
}

static void check(const struct reef_item *item, const uint8_t *data, size_t size) {
	struct reef_text text = {0};
	assert(item->offset < size);
	if (item->size > 0)
		assert((const uint8_t *)item->bytes >= data && (const uint8_t *)item->bytes + item->size <= data + size);
	reef_describe(&text, item);
	assert(text.size > 0);
	reef_text_free(&text);
	if (item->kind != REEF_ITEM_VALUES)
		return;
	lua_State *L = luaL_newstate();
	lua_pushcfunction(L, push);
	lua_pushlightuserdata(L, (void *)(uintptr_t)item);
	(void)lua_pcall(L, 1, 0, 0);
	lua_close(L);
}

/* Returns where its head ends, 0: nowhere. */
static size_t read_file(const uint8_t *file, size_t size) {
	struct reef_record_reader reader;
	struct reef_item item;
	size_t head = 0;
	assert(reef_record_reader_init(&reader, file, size));
	for (size_t at = reader.at; reef_record_read(&reader, &item); at = reader.at) {
		if (item.kind == REEF_ITEM_READY && head == 0)
			head = at + 1;
		check(&item, file, size);
	}
	assert(reader.at <= size);
	assert(*reader.error == '\0' || strstr(reader.error, "offset"));
	return head;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	/* In a block of its own, so that a byte too far is noticed. */
	uint8_t *file = malloc(REEF_RECORD_MAGIC_SIZE + size);
	memcpy(file, REEF_RECORD_MAGIC, REEF_RECORD_MAGIC_SIZE);
	if (size > 0)
		memcpy(file + REEF_RECORD_MAGIC_SIZE, data, size);
	size += REEF_RECORD_MAGIC_SIZE;
	size_t head = read_file(file, size);
	/* And as a ring, whose parts lie where no head reaches. */
	if (head > 0 && head < REEF_RECORD_RING_HEAD) {
		uint8_t *ring = calloc(1, REEF_RECORD_RING_HEAD + size - head);
		memcpy(ring, file, head);
		memcpy(ring + REEF_RECORD_RING_HEAD, file + head, size - head);
		(void)read_file(ring, REEF_RECORD_RING_HEAD + size - head);
		free(ring);
	}
	free(file);
	return 0;
}
