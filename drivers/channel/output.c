/* See output.h. */
#include "output.h"

#include "core/alloc.h"

#define FIRST 1024

bool reef_output_grow(struct reef_output *output, size_t n) {
	if (output->capacity - output->end >= n)
		return true;
	size_t capacity = output->capacity ? output->capacity * 2 : FIRST;
	if (capacity - output->end < n)
		capacity = output->end + n;
	char *bytes = reef_try_realloc(output->bytes, capacity);
	if (bytes == NULL)
		return false;
	output->bytes = bytes;
	output->capacity = capacity;
	return true;
}
