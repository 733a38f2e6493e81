/* One end of a WebSocket connection (RFC 6455), around wslay: bytes to messages and back, compressed if both ends have agreed
 * on that. It answers pings and closes by itself. It belongs to one thread at a time, and does no I/O. */
#ifndef REEF_HTTP_FRAMES_H
#define REEF_HTTP_FRAMES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <wslay/wslay.h>

#include "drivers/http/deflate.h"
#include "drivers/http/frame_cut.h"

struct reef_frames_message {
	struct reef_frames_message *next;
	uint8_t opcode; /* enum wslay_opcode: of a text, a binary message, a ping, a pong or a close */
	uint16_t code;  /* of a close; 0: none */
	size_t size;
	char bytes[];
};

struct reef_frames {
	wslay_event_context_ptr context;
	struct reef_frame_cut cut;
	const char *in;
	size_t in_size;
	char *out;
	size_t out_size, out_room;
	struct reef_frames_message *first, **last;
	struct reef_deflate *deflate;
	size_t most;
	bool server, no_memory;
	uint16_t refused; /* close code of a message that is none */
};

/* A message of more than `most` bytes, packed or unpacked, ends the connection. With options, messages may be compressed.
 * False: out of memory. Freed with reef_frames_fini. */
bool reef_frames_init(struct reef_frames *f, bool server, size_t most, const struct reef_deflate_options *deflate);
void reef_frames_fini(struct reef_frames *f);

/* Reads all of the bytes; messages wait in `first`. False: the peer broke the rules, or memory is gone; the close that
 * tells it so is in `out`. What comes after a close is dropped. */
bool reef_frames_feed(struct reef_frames *f, const char *bytes, size_t n);

/* Takes the next message, which the caller frees with reef_free; NULL: there is none. */
struct reef_frames_message *reef_frames_take(struct reef_frames *f);

/* Appends a message, or a ping or a pong, to `out`, masked as a client has to: with `mask`, or a random one if that is NULL.
 * False: a close has been sent before, the message is not allowed, or memory is gone. */
bool reef_frames_send(struct reef_frames *f, uint8_t opcode, const char *bytes, size_t n, const uint8_t *mask);

/* Appends a close; code 0 is none. False: there has been one, or it is not allowed. */
bool reef_frames_close(struct reef_frames *f, uint16_t code, const char *reason, size_t n);

#endif
