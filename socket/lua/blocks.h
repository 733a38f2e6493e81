/* Large blocks beside small packets: a block travels in pieces with a number, each in a packet of its own, so that other
 * packets pass between them. The last byte of a packet says what it is; numbers are big-endian, 4 bytes:
 *
 *     bytes, 0                        a whole message
 *     bytes, number, size, 1          the first piece of a block of that size
 *     bytes, number, 2                a further piece; the block is whole when `size` bytes have come
 *
 * The struct has what has come of unfinished blocks, of any number of streams: as much memory as has come, whatever is
 * announced. One thread at a time. */
#ifndef REEF_SOCKET_LUA_BLOCKS_H
#define REEF_SOCKET_LUA_BLOCKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_blocks;

/* Of each stream. */
struct reef_blocks_limits {
	size_t most;     /* bytes of a block */
	size_t together; /* bytes of its unfinished blocks */
	size_t open;     /* unfinished blocks */
};

struct reef_blocks *reef_blocks_new(const struct reef_blocks_limits *limits);
void reef_blocks_delete(struct reef_blocks *blocks);

enum reef_blocks_result {
	REEF_BLOCKS_WHOLE, /* a message: *whole and *size */
	REEF_BLOCKS_PART,  /* more of it is to come */
	REEF_BLOCKS_WRONG, /* *error says why (static): the stream is forgotten, and cannot be gone on with */
};

/* A packet of that stream: n bytes in a block from reef_malloc, which is taken in every case. The message is one, too. */
enum reef_blocks_result reef_blocks_add(struct reef_blocks *blocks, int stream, void *packet, size_t n, void **whole,
										size_t *size, const char **error);
/* The stream has ended. */
void reef_blocks_forget(struct reef_blocks *blocks, int stream);
/* Writes the numbers of at most `max` streams whose oldest unfinished block began before that time (reef_coarse_ns). */
size_t reef_blocks_unfinished(const struct reef_blocks *blocks, uint64_t before_ns, int *streams, size_t max);

#define REEF_BLOCKS_PIECE (32 * 1024) /* bytes of a piece */

/* Sends n bytes to a socket as packets with a 2-byte length: in one, or, if there are more than a piece's, in pieces at low
 * priority. False: the socket is unknown or closing, or n is more than 2^32 - 1. */
bool reef_blocks_send(int socket, const void *bytes, size_t n);

#endif
