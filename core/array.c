/* Growing arrays: see array.h. */
#include "array.h"

#include <stdint.h>

#define FIRST_CAPACITY ((size_t)16)

void *reef_array_enlarge(void *items, size_t *capacity, size_t wanted, size_t size) {
	size_t larger = *capacity == 0 ? FIRST_CAPACITY : *capacity * 2;
	if (larger < wanted)
		larger = wanted;
	if (larger < *capacity || larger > SIZE_MAX / size)
		return NULL;
	void *moved = reef_try_realloc(items, larger * size);
	if (moved != NULL)
		*capacity = larger;
	return moved;
}
