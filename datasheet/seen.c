/* See seen.h. */
#include "seen.h"

#include <string.h>

#include "core/alloc.h"

#define ALIGNMENT 8
#define BYTES (REEF_SEEN_PAGE / ALIGNMENT / 8)

static bool turn_to(struct reef_seen *seen, uintptr_t page) {
	unsigned char *bits = reef_ptrmap_get(&seen->pages, (const void *)page);
	if (bits == NULL) {
		bits = reef_try_malloc(BYTES);
		if (bits == NULL || !reef_ptrmap_put(&seen->pages, (const void *)page, bits)) {
			reef_free(bits);
			return false;
		}
		memset(bits, 0, BYTES);
	}
	seen->page = page;
	seen->bits = bits;
	return true;
}

bool reef_seen_add(struct reef_seen *seen, const void *p, bool *before) {
	uintptr_t page = (uintptr_t)p / REEF_SEEN_PAGE, at = (uintptr_t)p % REEF_SEEN_PAGE / ALIGNMENT;
	if (page != seen->page && !turn_to(seen, page))
		return false;
	unsigned char bit = (unsigned char)(1u << at % 8);
	*before = (seen->bits[at / 8] & bit) != 0;
	seen->bits[at / 8] |= bit;
	return true;
}

void reef_seen_fini(struct reef_seen *seen) {
	for (size_t i = 0; i < seen->pages.capacity; i++)
		reef_free(seen->pages.slots[i].value);
	reef_ptrmap_fini(&seen->pages);
	*seen = (struct reef_seen){0};
}
