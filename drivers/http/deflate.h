/* Messages of WebSocket, compressed and back (RFC 7692), around zlib. It belongs to one thread at a time. */
#ifndef REEF_HTTP_DEFLATE_H
#define REEF_HTTP_DEFLATE_H

#include <stdbool.h>
#include <stddef.h>

struct reef_deflate;

/* What both ends have agreed on, and what is our own affair. */
struct reef_deflate_options {
	int send_bits, receive_bits;    /* of the windows: 8 to 15; with send_bits 8 nothing is compressed, zlib cannot */
	bool send_fresh, receive_fresh; /* each message begins with an empty window */
	int level;                      /* 1 to 9 */
	size_t smallest;                /* bytes of a message that is worth the work */
};

enum reef_deflate_result {
	REEF_DEFLATE_OK,
	REEF_DEFLATE_NOT,       /* packing: it is better sent as it is */
	REEF_DEFLATE_WRONG,     /* unpacking: this is nothing that was packed */
	REEF_DEFLATE_TOO_LARGE, /* unpacking: more than allowed */
	REEF_DEFLATE_NO_MEMORY,
};

/* NULL: out of memory. Memory for each direction is taken when it is used first. Freed with reef_deflate_free. */
struct reef_deflate *reef_deflate_new(const struct reef_deflate_options *options);
void reef_deflate_free(struct reef_deflate *d);

/* The result is in d's buffer until the next call. */
enum reef_deflate_result reef_deflate_pack(struct reef_deflate *d, const char *bytes, size_t n, const char **out,
										   size_t *size);
/* The same; at most `most` bytes come out. */
enum reef_deflate_result reef_deflate_unpack(struct reef_deflate *d, const char *bytes, size_t n, size_t most,
											 const char **out, size_t *size);

#endif
