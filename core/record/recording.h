/* A service that is recorded: the state that record.c (which ones there are, from their beginning to their end) and
 * recording.c (what passes the seam) share. Its own slice, but for `state`, which is under the lock of record.c. */
#ifndef REEF_RECORDING_H
#define REEF_RECORDING_H

#include <stdbool.h>
#include <stdint.h>

#include "core/slice.h"
#include "record.h"
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

/* Makes it one whose `host` is recorded from here on; its writer and state are there. */
void reef_recording_begin(struct reef_recording *recording, struct reef_host *host);
/* Nothing more is written. The log says why. */
void reef_recording_stop(struct reef_recording *recording, const char *why);
/* The service is over: the recording is no longer among those that are at work. Its file is complete. */
void reef_recording_end(struct reef_recording *recording);

#endif
