/* Compressed messages: OP_COMPRESSED around an OP_MSG. By the specification "Compression in the Wire Protocol". Which
 * compressors there are was decided when this was built.
 *
 * Not thread-safe: one writer is used by one thread at a time. */
#ifndef REEF_MONGO_COMPRESS_H
#define REEF_MONGO_COMPRESS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "drivers/bson/writer.h"

enum { REEF_OP_COMPRESSED = 2012 };

/* As they are in messages. */
enum reef_compressor {
	REEF_COMPRESS_NONE = 0,
	REEF_COMPRESS_SNAPPY = 1,
	REEF_COMPRESS_ZLIB = 2,
	REEF_COMPRESS_ZSTD = 3,
};

/* The compressor of that name; NONE: there is none here. */
enum reef_compressor reef_compress_find(const char *name);
/* The names of all that are here, ended by NULL; static. */
const char *const *reef_compress_names(void);
/* May this command be compressed? Not those that greet or carry a secret. */
bool reef_compress_is_allowed(const char *command);
/* Is a compressed message at the start of these bytes? They may not be complete. */
bool reef_compress_is(const uint8_t *bytes, size_t n);
/* Puts the message of `n` bytes into `out`, compressed. `level`: of zlib; -1: its own. False: no memory. */
bool reef_compress_message(struct reef_writer *out, const uint8_t *message, size_t n, enum reef_compressor how,
						   int level);
/* Puts the message that a compressed one stands for into `out`. NULL, or why it is none; static. */
const char *reef_compress_expand(struct reef_writer *out, const uint8_t *bytes, size_t n);

#endif
