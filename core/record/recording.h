/* Services that are recorded now: their list, from their beginning to their end. Of one, its own slice, but for `state`, which
 * is under the lock of the list. */
#ifndef REEF_RECORDING_H
#define REEF_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/slice.h"
#include "files.h"
#include "tape.h"
#include "writer.h"

struct reef_recording {
	struct reef_tape tape;
	struct reef_record_writer writer;
	int64_t copied_ns; /* when a ring was copied last */
	bool queued;
	struct reef_deferred slice_end;
	struct reef_recording *next; /* of those that are at work */
	struct reef_record_state state;
};

/* It is one of them; its writer and state are there. */
void reef_recording_add(struct reef_recording *recording);
/* Nothing more is written. The log says why. */
void reef_recording_stop(struct reef_recording *recording, const char *why);
/* The service is over: the recording is no longer among those that are at work. Its file is complete. */
void reef_recording_end(struct reef_recording *recording);

/* Fills in the states of at most n of them; how many there are. Any thread. */
size_t reef_recording_states(struct reef_record_state *states, size_t n);

#endif
