/* Where do replies end? Framers answer that for a protocol without building anything.
 *
 * A framer is asked about the bytes that a connection has received so far and remembers how far it has looked, so bytes
 * are looked at once. The answer is bad, incomplete or complete. Own slice only; nothing is kept but the struct.
 */
#ifndef REEF_POOL_FRAME_H
#define REEF_POOL_FRAME_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum reef_frame {
	REEF_FRAME_INCOMPLETE,
	REEF_FRAME_COMPLETE,
	REEF_FRAME_BAD,
};

struct reef_frames {
	uint64_t left;  /* what is still to come, in the protocol's own terms; 0: nothing */
	uint64_t inner; /* of the reply that has begun, values still to come */
	size_t looked;  /* bytes in which the end of a line was looked for */
	size_t at;      /* bytes looked at; when complete, where the reply ends */
	size_t need;    /* bytes that have to be there before it is worth asking again; 0: unknown */
	size_t limit;   /* bytes that one answer may have */
	uint32_t error; /* replies that say that the server refused */
	bool stream;    /* what the server says by itself counts as a reply */
	const char *why;
};

struct reef_pool_protocol {
	const char *name;
	/* Expects an answer, of which the asker says `expect`: RESP the number of replies, MongoDB the request's id. 0: none. */
	void (*begin)(struct reef_frames *frames, uint32_t expect);
	/* Looks at bytes[frames->at .. n): is all of the answer there that was expected? With nothing expected, out-of-band
	 * messages are complete, anything else is bad. `bytes` begins where the current answer does. */
	enum reef_frame (*scan)(struct reef_frames *frames, const char *bytes, size_t n);
	/* A request with one reply that shows whether a connection that was given back has no state left. Only of protocols
	 * with pinned connections. */
	const char *probe;
	size_t probe_size;
	bool (*is_clean)(const char *reply, size_t n);
};

/* RESP2 and RESP3: https://redis.io/docs/reference/protocol-spec */
extern const struct reef_pool_protocol reef_pool_resp;
/* MongoDB's OP_MSG. */
extern const struct reef_pool_protocol reef_pool_op_msg;

#endif
