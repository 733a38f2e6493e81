/* The head of a record: what is said of the process that the service ran in, as keys and values (format.h). */
#ifndef REEF_RECORD_HEAD_H
#define REEF_RECORD_HEAD_H

#include <stdint.h>

#include "core/clock.h"
#include "format.h"
#include "writer.h"

/* Writes it, and that it is over. Own slice only. */
void reef_record_put_head(struct reef_record_writer *writer, const char *arguments, uint32_t handle);

struct reef_record_head {
	char arguments[REEF_RECORD_TEXT_MAX], folder[REEF_RECORD_TEXT_MAX], version[64];
	struct reef_clock_start start; /* of the process */
	uint64_t began_ns;             /* when the record did; that start, if it is not told */
	uint64_t handle, seed;
};

/* Reads it. `setting` is told what the configuration said. NULL, or what is wrong, which is good as long as the reader is. */
const char *reef_record_read_head(struct reef_record_reader *reader, struct reef_record_head *head,
								  void (*setting)(const char *key, const char *value));

#endif
