/* A tally of folded stacks: see tally.h. A table with open addressing that is never more than half full. */
#include "tally.h"

#include <string.h>

#include "core/alloc.h"

#define SLOTS 65536 /* a power of two, over twice as many as there are texts */

_Static_assert(SLOTS > 2 * REEF_TALLY_TEXTS, "a search ends at an empty slot");

struct text {
	uint64_t value;
	uint32_t hash, size;
	char bytes[];
};

struct reef_tally {
	struct text *slots[SLOTS];
	size_t count, bytes;
	uint64_t others;
};

static const char others[] = "(others)";

struct reef_tally *reef_tally_new(void) {
	return reef_calloc(1, sizeof(struct reef_tally));
}

void reef_tally_free(struct reef_tally *tally) {
	if (tally == NULL)
		return;
	for (size_t i = 0; i < SLOTS; i++)
		reef_free(tally->slots[i]);
	reef_free(tally);
}

/* FNV-1a. */
static uint32_t hash_of(const char *text, size_t n) {
	uint32_t hash = 2166136261u;
	for (size_t i = 0; i < n; i++)
		hash = (hash ^ (unsigned char)text[i]) * 16777619u;
	return hash;
}

void reef_tally_add(struct reef_tally *tally, const char *text, size_t n, uint64_t value) {
	uint32_t hash = hash_of(text, n), i = hash % SLOTS;
	for (; tally->slots[i] != NULL; i = (i + 1) % SLOTS) {
		struct text *known = tally->slots[i];
		if (known->hash == hash && known->size == n && memcmp(known->bytes, text, n) == 0) {
			known->value += value;
			return;
		}
	}
	if (tally->count == REEF_TALLY_TEXTS || tally->bytes + n > REEF_TALLY_BYTES) {
		tally->others += value;
		return;
	}
	struct text *fresh = reef_malloc(sizeof(*fresh) + n);
	*fresh = (struct text){.value = value, .hash = hash, .size = (uint32_t)n};
	memcpy(fresh->bytes, text, n);
	tally->slots[i] = fresh;
	tally->count++;
	tally->bytes += n;
}

void reef_tally_each(const struct reef_tally *tally, void (*f)(void *ud, const char *text, size_t n, uint64_t value),
					 void *ud) {
	for (size_t i = 0; i < SLOTS; i++) {
		const struct text *text = tally->slots[i];
		if (text != NULL)
			f(ud, text->bytes, text->size, text->value);
	}
	if (tally->others > 0)
		f(ud, others, sizeof(others) - 1, tally->others);
}
