/* Bytes on their way out: what is committed is to be sent, what is written behind it counts only once it is committed.
 *
 * So an error on the way leaves nothing behind. The owner frees `bytes` with reef_free. One thread at a time.
 */
#ifndef REEF_OUTPUT_H
#define REEF_OUTPUT_H

#include <stdbool.h>
#include <stddef.h>

struct reef_output {
	char *bytes;
	size_t size; /* committed */
	size_t end;  /* written; what lies between is being made */
	size_t capacity;
};

/* Makes room for n more bytes behind `end`. False: no memory; nothing has changed. */
bool reef_output_grow(struct reef_output *output, size_t n);

/* Begins to write; what was written and not committed is forgotten. */
static inline void reef_output_begin(struct reef_output *output) {
	output->end = output->size;
}

/* All that was written since is to be sent; returns how many bytes that are. */
static inline size_t reef_output_commit(struct reef_output *output) {
	size_t n = output->end - output->size;
	output->size = output->end;
	return n;
}

#endif
