/* Cuts a stream of WebSocket where wslay may see it cut: not within the head of a frame, nor within a close, of which it takes the
 * first two bytes of each piece for the code. It judges nothing: what is no frame goes on as it is. The struct owns nothing,
 * and begins as zeros. */
#ifndef REEF_FRAME_CUT_H
#define REEF_FRAME_CUT_H

#include <stddef.h>
#include <stdint.h>

#define REEF_FRAME_HEAD_MOST 14
#define REEF_FRAME_CONTROL_MOST 125 /* bytes of a payload */

struct reef_frame_cut {
	uint64_t skip; /* bytes of the current frame that are still to come, and may be cut */
	uint8_t held[REEF_FRAME_HEAD_MOST + REEF_FRAME_CONTROL_MOST];
	size_t held_size; /* 0: the stream is at a frame's begin, or within what may be cut */
};

/* Takes bytes off *bytes and *n -> what may go on now, which stays until the next call; of *size bytes, 0: more have to come. Until *n
 * is 0 it is to be called again. */
const char *reef_frame_cut_take(struct reef_frame_cut *cut, const char **bytes, size_t *n, size_t *size);

#endif
