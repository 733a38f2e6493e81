/* Where MongoDB's replies end: a message says its length, and which request it answers. By the specification "OP_MSG"
 * and the server's manual, "MongoDB Wire Protocol". See frame.h; what is expected is a request id. */
#include <string.h>

#include "drivers/bson/writer.h"
#include "drivers/mongo/wire.h"
#include "frame.h"

enum { SMALLEST = REEF_WIRE_HEADER + 4 + 1 + 5, FIRST_ELEMENT = REEF_WIRE_HEADER + 4 + 1 + 4 };

static enum reef_frame op_msg_bad(struct reef_frames *frames, const char *why) {
	frames->why = why;
	return REEF_FRAME_BAD;
}

/* A command that failed says so first. */
static bool says_no(const uint8_t *p, size_t n) {
	static const char no[] = "\x01ok\0\0\0\0\0\0\0\0";
	return n >= FIRST_ELEMENT + sizeof(no) && memcmp(p + FIRST_ELEMENT, no, sizeof(no)) == 0;
}

static enum reef_frame op_msg_scan(struct reef_frames *frames, const char *bytes, size_t n) {
	const uint8_t *p = (const uint8_t *)bytes;
	if (frames->left == 0)
		return op_msg_bad(frames, "a message that nobody asked for");
	frames->need = SMALLEST;
	if (n < SMALLEST)
		return REEF_FRAME_INCOMPLETE;
	size_t size = reef_get32(p);
	if (size < SMALLEST || size > frames->limit)
		return op_msg_bad(frames, "message length out of range");
	if (reef_get32(p + 12) != REEF_OP_MSG)
		return op_msg_bad(frames, "a message of a kind that was not asked for");
	if (reef_get32(p + 8) != frames->left)
		return op_msg_bad(frames, "the reply to another request");
	if ((reef_get32(p + REEF_WIRE_HEADER) & REEF_WIRE_MORE_TO_COME) != 0)
		return op_msg_bad(frames, "a stream of replies that nobody asked for");
	frames->need = size;
	if (n < size)
		return REEF_FRAME_INCOMPLETE;
	frames->at = size;
	frames->error = says_no(p, size);
	return REEF_FRAME_COMPLETE;
}

static void op_msg_begin(struct reef_frames *frames, uint32_t id) {
	frames->left = id;
	frames->at = 0;
	frames->need = 0;
	frames->error = 0;
}

const struct reef_pool_protocol reef_pool_op_msg = {.name = "mongo", .begin = op_msg_begin, .scan = op_msg_scan};
