/* See recording_seam.h. What a service is told and does goes to its record (writer.h) in the order in which it passes the seam. */
#include "recording_seam.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/host/host.h"
#include "core/log.h"
#include "core/message.h"
#include "files.h"
#include "recording.h"
#include "sources.h"

static struct reef_recording *of(struct reef_seam *seam) {
	return (struct reef_recording *)seam;
}

/* ---- what passes the seam ---- */

static int64_t record_number(struct reef_seam *seam, enum reef_seam_answer what, int64_t real) {
	struct reef_recording *r = of(seam);
	if (what == REEF_SEAM_DONE && real == 1)
		return real;
	uint8_t *start = reef_record_begin(&r->writer, 0);
	int64_t shown = real;
	if (start == NULL)
		return real;
	if (what == REEF_SEAM_TIME) {
		shown = real - r->writer.time_ns;
		r->writer.time_ns = real;
	} else if (what == REEF_SEAM_WALL) {
		shown = real - r->writer.wall_ns;
		r->writer.wall_ns = real;
	}
	reef_record_end(&r->writer, start, REEF_ITEM_NUMBER | what, reef_record_put_number(start + 1, shown));
	return real;
}

static void record_bytes(struct reef_seam *seam, enum reef_seam_answer what, void *real, size_t size) {
	uint8_t *start = reef_record_begin(&of(seam)->writer, size);
	if (start)
		reef_record_end(&of(seam)->writer, start, REEF_ITEM_BYTES | what, reef_record_put_bytes(start + 1, real, size));
}

static const char *record_text(struct reef_seam *seam, enum reef_seam_answer what, const char *real) {
	size_t size = real ? strlen(real) : 0;
	uint8_t *start = reef_record_begin(&of(seam)->writer, size);
	if (start) {
		uint8_t *end = reef_record_put_number(start + 1, real != NULL);
		reef_record_end(&of(seam)->writer, start, REEF_ITEM_TEXT | what, reef_record_put_bytes(end, real, size));
	}
	return real;
}

static const char *record_block(struct reef_seam *seam, enum reef_seam_answer what, const char *real, size_t *size) {
	record_bytes(seam, what, (void *)(uintptr_t)real, *size);
	return real;
}

static uint8_t *put_about(uint8_t *to, const struct reef_seam_about *about) {
	to = reef_record_put_number(to, about->a);
	to = reef_record_put_number(to, about->b);
	to = reef_record_put_number(to, about->c);
	return reef_record_put_bytes(to, about->bytes, about->size);
}

static bool record_act(struct reef_seam *seam, unsigned deed, const struct reef_seam_about *about) {
	uint8_t *start = reef_record_begin(&of(seam)->writer, about->size);
	if (start)
		reef_record_end(&of(seam)->writer, start, REEF_ITEM_DEED + deed, put_about(start + 1, about));
	return true;
}

static void record_told(struct reef_seam *seam, unsigned event, const struct reef_seam_about *about) {
	reef_seam_look(seam);
	uint8_t *start = reef_record_begin(&of(seam)->writer, about->size);
	if (start)
		reef_record_end(&of(seam)->writer, start, REEF_ITEM_EVENT + event, put_about(start + 1, about));
}

static void slice_ended(struct reef_deferred *deferred) {
	struct reef_recording *r = (struct reef_recording *)((char *)deferred - offsetof(struct reef_recording, slice_end));
	r->queued = false;
	if (r->tape.host.host == NULL) {
		/* The service is gone, and the seam with it. */
		reef_tape_run_deferred(&r->tape);
		reef_free(r);
		return;
	}
	reef_host_seam_enter(r->tape.host.host);
	reef_seam_look(&r->tape.host.seam);
	reef_record_put_empty(&r->writer, REEF_ITEM_DEFERRED, false);
	reef_tape_run_deferred(&r->tape);
	reef_host_seam_leave(r->tape.host.host);
}

static void record_defer(struct reef_seam *seam, struct reef_deferred *deferred) {
	struct reef_recording *r = of(seam);
	reef_tape_defer(seam, deferred);
	if (r->queued)
		return;
	r->queued = true;
	seam->off++;
	bool later = reef_slice_defer(&r->slice_end);
	seam->off--;
	if (!later)
		slice_ended(&r->slice_end);
}

/* ---- what the host says ---- */

/* A record that has ended needs nothing of what others switch. To be called when nobody looks at it. */
static void end_views(struct reef_recording *r) {
	if (r->writer.full && !r->tape.host.seam.over) {
		r->tape.host.seam.over = true;
		reef_seam_end_views(&r->tape.host.seam);
	}
}

static bool record_message(struct reef_host_seam *seam, struct reef_message *m) {
	struct reef_recording *r = of(&seam->seam);
	if (seam->seam.within > 0)
		return true;
	end_views(r);
	struct reef_seam_about about = {.a = (int64_t)m->type << 32 | (uint32_t)m->session,
									.b = m->source,
									.c = m->flags & REEF_MESSAGE_OWN,
									.bytes = m->data,
									.size = m->size};
	reef_seam_look(&seam->seam);
	reef_record_writer_step(&r->writer);
	uint8_t *start = reef_record_begin(&r->writer, m->size);
	if (start)
		reef_record_end(&r->writer, start, REEF_ITEM_MESSAGE,
						reef_record_put_time(&r->writer, put_about(start + 1, &about)));
	return true;
}

static void record_turn(struct reef_host_seam *seam) {
	reef_seam_look(&seam->seam);
	reef_record_writer_step(&of(&seam->seam)->writer);
	reef_record_put_empty(&of(&seam->seam)->writer, REEF_ITEM_TURN, true);
}

/* A ring goes to a file of its own, but not more often than it has anything new from end to end. */
static void record_failed(struct reef_host_seam *seam) {
	struct reef_recording *r = of(&seam->seam);
	struct reef_record_state copy = {.handle = r->state.handle};
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	if (r->writer.ring_ns == 0 || r->writer.full || (r->copied_ns > 0 && now - r->copied_ns < r->writer.ring_ns))
		return;
	r->copied_ns = now;
	memcpy(copy.name, r->state.name, sizeof copy.name);
	reef_record_files_path(&copy, ".rec");
	const char *why = reef_record_writer_copy(&r->writer, copy.path);
	seam->seam.off++;
	if (why)
		reef_log_at(REEF_LOG_WARN, r->state.handle, "cannot write what led to the error to %s: %s", copy.path, why);
	else
		reef_log_at(REEF_LOG_WARN, r->state.handle, "what led to the error is in %s", copy.path);
	seam->seam.off--;
}

static void record_nothing(struct reef_host_seam *seam) {
	(void)seam;
}

static void record_ending(struct reef_host_seam *seam) {
	reef_seam_look(&seam->seam);
	reef_record_put_empty(&of(&seam->seam)->writer, REEF_ITEM_ENDING, false);
}

static void record_note(struct reef_tape *tape, const char *what) {
	struct reef_recording *r = (struct reef_recording *)tape;
	if (r->writer.full)
		return;
	reef_record_put_plain(&r->writer, REEF_ITEM_NOTE, what, strlen(what));
	if (r->writer.ring_ns > 0)
		return;
	char why[160];
	snprintf(why, sizeof why, "%s cannot be recorded", what);
	reef_recording_stop(r, why);
}

static void record_cannot(struct reef_seam *seam, const char *what) {
	record_note((struct reef_tape *)seam, what);
}

static void record_values(struct reef_tape *tape, const char *bytes, size_t size) {
	reef_record_put_plain(&((struct reef_recording *)tape)->writer, REEF_ITEM_VALUES, bytes, size);
}

static void record_ended(struct reef_host_seam *seam) {
	struct reef_recording *r = of(&seam->seam);
	reef_seam_end_views(&seam->seam);
	reef_recording_end(r);
	r->tape.host.host = NULL;
	if (!r->queued)
		reef_free(r);
}

void reef_recording_seam_begin(struct reef_recording *r, struct reef_host *host) {
	r->tape = (struct reef_tape){.host = {.seam = {.number = record_number,
												   .bytes = record_bytes,
												   .text = record_text,
												   .block = record_block,
												   .cannot = record_cannot,
												   .act = record_act,
												   .told = record_told,
												   .defer = record_defer},
										  .host = host,
										  .opened = reef_tape_open_libraries,
										  .booted = record_nothing,
										  .message = record_message,
										  .turn = record_turn,
										  .failed = record_failed,
										  .module = reef_tape_open_module,
										  .load = reef_sources_record,
										  .ending = record_ending,
										  .ended = record_ended},
								 .put_values = record_values,
								 .note = record_note};
	r->tape.deferred_tail = &r->tape.deferred;
	r->slice_end.run = slice_ended;
}
