/* See record.h. What a service is told and does goes to its record (writer.h) in the order in which it passes the seam. */
#include "record.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/env.h"
#include "core/host/host.h"
#include "core/log.h"
#include "core/message.h"
#include "core/service.h"
#include "core/slice.h"
#include "files.h"
#include "sharetable/overlay/seed.h"
#include "tape.h"
#include "writer.h"

#define DEFAULT_LIMIT 64 /* MiB of a record */

struct recording {
	struct reef_tape tape;
	struct reef_record_writer writer;
	int64_t copied_ns; /* when a ring was copied last */
	bool queued;
	struct reef_deferred slice_end;
	struct recording *next; /* of those that are at work */
	struct reef_record_state state;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct recording *at_work;

static struct recording *of(struct reef_seam *seam) {
	return (struct recording *)seam;
}

/* ---- bytes ---- */

static void stop(struct recording *r, const char *why) {
	r->writer.full = true;
	pthread_mutex_lock(&lock);
	snprintf(r->state.stopped, sizeof r->state.stopped, "%s", why);
	pthread_mutex_unlock(&lock);
	r->tape.host.seam.off++;
	reef_log_at(REEF_LOG_WARN, r->state.handle, "the record %s ends here: %s", r->state.path, why);
	r->tape.host.seam.off--;
}

static void stopped(struct reef_record_writer *writer, const char *why) {
	stop((struct recording *)((char *)writer - offsetof(struct recording, writer)), why);
}

static void put_plain(struct recording *r, enum reef_item_kind kind, const void *bytes, size_t size) {
	uint8_t *start = reef_record_begin(&r->writer, size);
	if (start)
		reef_record_end(&r->writer, start, kind, reef_record_put_bytes(start + 1, bytes, size));
}

static void put_empty(struct recording *r, enum reef_item_kind kind, bool time) {
	uint8_t *start = reef_record_begin(&r->writer, 0);
	if (start)
		reef_record_end(&r->writer, start, kind, time ? reef_record_put_time(&r->writer, start + 1) : start + 1);
}

/* ---- what passes the seam ---- */

static int64_t record_number(struct reef_seam *seam, enum reef_seam_answer what, int64_t real) {
	struct recording *r = of(seam);
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
	record_bytes(seam, what, (void *)real, *size);
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
	struct recording *r = (struct recording *)((char *)deferred - offsetof(struct recording, slice_end));
	r->queued = false;
	if (r->tape.host.host == NULL) {
		/* The service is gone, and the seam with it. */
		reef_tape_run_deferred(&r->tape);
		reef_free(r);
		return;
	}
	reef_host_seam_enter(r->tape.host.host);
	reef_seam_look(&r->tape.host.seam);
	put_empty(r, REEF_ITEM_DEFERRED, false);
	reef_tape_run_deferred(&r->tape);
	reef_host_seam_leave(r->tape.host.host);
}

static void record_defer(struct reef_seam *seam, struct reef_deferred *deferred) {
	struct recording *r = of(seam);
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

static bool record_message(struct reef_host_seam *seam, struct reef_message *m) {
	struct recording *r = of(&seam->seam);
	if (seam->seam.within > 0)
		return true;
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
	put_empty(of(&seam->seam), REEF_ITEM_TURN, true);
}

/* A ring goes to a file of its own, but not more often than it has anything new from end to end. */
static void record_failed(struct reef_host_seam *seam) {
	struct recording *r = of(&seam->seam);
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
	put_empty(of(&seam->seam), REEF_ITEM_ENDING, false);
}

static const char *record_file(struct reef_host_seam *seam, const char *name) {
	(void)seam;
	return name;
}

static void record_note(struct reef_tape *tape, const char *what) {
	struct recording *r = (struct recording *)tape;
	if (r->writer.full)
		return;
	put_plain(r, REEF_ITEM_NOTE, what, strlen(what));
	if (r->writer.ring_ns > 0)
		return;
	char why[160];
	snprintf(why, sizeof why, "%s cannot be recorded", what);
	stop(r, why);
}

static void record_cannot(struct reef_seam *seam, const char *what) {
	record_note((struct reef_tape *)seam, what);
}

static void record_values(struct reef_tape *tape, const char *bytes, size_t size) {
	put_plain((struct recording *)tape, REEF_ITEM_VALUES, bytes, size);
}

static void record_ended(struct reef_host_seam *seam) {
	struct recording *r = of(&seam->seam);
	pthread_mutex_lock(&lock);
	struct recording **link = &at_work;
	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	pthread_mutex_unlock(&lock);
	reef_seam_end_views(&seam->seam);
	if (!r->writer.full)
		reef_record_writer_stop(&r->writer, "the service has ended");
	reef_record_writer_close(&r->writer);
	/* A ring is for services that do not end. */
	if (r->writer.ring_ns > 0)
		unlink(r->state.path);
	r->tape.host.host = NULL;
	if (!r->queued)
		reef_free(r);
}

/* ---- the beginning ---- */

static void put_head(struct recording *r, const char *key, const char *value) {
	size_t key_size = strlen(key), size = value ? strnlen(value, REEF_RECORD_TEXT_MAX - 1) : 0;
	uint8_t *start = value ? reef_record_begin(&r->writer, key_size + size) : NULL;
	if (start)
		reef_record_end(&r->writer, start, REEF_ITEM_HEAD,
						reef_record_put_bytes(reef_record_put_bytes(start + 1, key, key_size), value, size));
}

static void put_head_number(struct recording *r, const char *key, uint64_t value) {
	char text[32];
	snprintf(text, sizeof text, "%llu", (unsigned long long)value);
	put_head(r, key, text);
}

static void put_beginning(struct recording *r, const char *arguments) {
	static const char *const places[] = {"lua_path", "lua_cpath", "luaservice", "lualoader",
										 "preload",  "snax",      "log_level"};
	struct reef_clock_start start = reef_clock_start();
	struct timespec now;
	char folder[4096], key[32];
	clock_gettime(CLOCK_REALTIME, &now);
	put_head(r, "version", REEF_VERSION);
	put_head(r, "arguments", arguments);
	put_head(r, "folder", getcwd(folder, sizeof folder));
	put_head_number(r, "handle", r->state.handle);
	put_head_number(r, "seed", reef_seed());
	put_head_number(r, "start_ns", start.ns);
	put_head_number(r, "start_cs", start.cs);
	put_head_number(r, "start_second", start.second);
	put_head_number(r, "grain_ns", start.grain_ns);
	put_head_number(r, "began", (uint64_t)now.tv_sec);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(key, sizeof key, "env.%s", places[i]);
		put_head(r, key, reef_env_get(places[i]));
	}
	if (r->writer.ring_ns > 0) {
		snprintf(key, sizeof key, "%0*zu", REEF_RECORD_RING_DIGITS, r->writer.part_size);
		put_head(r, "ring", key);
	}
	put_empty(r, REEF_ITEM_READY, false);
	reef_record_writer_ready(&r->writer);
}

static void record_opened(struct reef_host_seam *seam, lua_State *L) {
	lua_pushlightuserdata(L, seam);
	lua_setfield(L, LUA_REGISTRYINDEX, "reef.record");
	reef_tape_open_libraries(L);
}

/* Makes its file; false: there is none. */
static bool open_file(struct recording *r, const char *arguments) {
	static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
	long limit = reef_env_int("record_limit", DEFAULT_LIMIT);
	bool ring;
	/* Until a file is locked it might be taken for one that nobody writes to. */
	pthread_mutex_lock(&opening);
	bool wanted = reef_record_files_wants(arguments, &r->state, &ring);
	int64_t ring_ns = ring ? (int64_t)reef_env_int("record_ring", 0) * 1000000000 : 0;
	const char *why =
			wanted ? reef_record_writer_open(&r->writer, r->state.path, (size_t)(limit > 1 ? limit : 2) << 20, ring_ns)
				   : NULL;
	pthread_mutex_unlock(&opening);
	if (why)
		reef_log_at(REEF_LOG_WARN, r->state.handle, "cannot record %s to %s: %s", r->state.name, r->state.path, why);
	return wanted && why == NULL;
}

struct reef_host_seam *reef_record_make(struct reef_host *host, const char *arguments) {
	if (!reef_seam_is_on())
		return NULL;
	struct recording *r = reef_calloc(1, sizeof *r);
	r->state.handle = reef_service_handle(reef_host_service(host));
	if (!open_file(r, arguments)) {
		reef_free(r);
		return NULL;
	}
	r->writer.stopped = stopped;
	r->tape = (struct reef_tape){.host = {.seam = {.number = record_number,
												   .bytes = record_bytes,
												   .text = record_text,
												   .block = record_block,
												   .cannot = record_cannot,
												   .act = record_act,
												   .told = record_told,
												   .defer = record_defer},
										  .host = host,
										  .opened = record_opened,
										  .booted = record_nothing,
										  .message = record_message,
										  .turn = record_turn,
										  .failed = record_failed,
										  .module = reef_tape_open_module,
										  .file = record_file,
										  .ending = record_ending,
										  .ended = record_ended},
								 .put_values = record_values,
								 .note = record_note};
	r->tape.deferred_tail = &r->tape.deferred;
	r->slice_end.run = slice_ended;
	put_beginning(r, arguments);
	pthread_mutex_lock(&lock);
	r->next = at_work;
	at_work = r;
	pthread_mutex_unlock(&lock);
	reef_log_at(REEF_LOG_INFO, r->state.handle, "is recorded to %s", r->state.path);
	return &r->tape.host;
}

size_t reef_record_states(struct reef_record_state *states, size_t n) {
	size_t count = 0;
	pthread_mutex_lock(&lock);
	for (struct recording *r = at_work; r; r = r->next, count++) {
		if (count >= n)
			continue;
		states[count] = r->state;
		states[count].bytes = __atomic_load_n(&r->writer.at, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&lock);
	return count;
}
