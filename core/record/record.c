/* See record.h. A record is written where it is mapped: whatever ends the process, what was written is in the file. Space is
 * taken from the file system before it is written to, so a full disk is an error here and no signal. */
#include "record.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
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
#include "format.h"
#include "sharetable/overlay/seed.h"
#include "tape.h"

#define STEP ((size_t)1 << 20) /* by which a file grows */
#define RESERVE ((size_t)4096) /* at the end of a file, for why it ends */
#define ITEM_MAX ((size_t)64)  /* of an item without its bytes */
#define DEFAULT_LIMIT 64       /* MiB of a record */

struct recording {
	struct reef_tape tape;
	uint8_t *base; /* the file */
	size_t at, room, limit;
	int fd;
	int64_t time_ns, wall_ns;
	bool full; /* nothing more is written */
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
	r->full = true;
	pthread_mutex_lock(&lock);
	snprintf(r->state.stopped, sizeof r->state.stopped, "%s", why);
	pthread_mutex_unlock(&lock);
	r->tape.host.seam.off++;
	reef_log_at(REEF_LOG_WARN, r->state.handle, "the record %s ends here: %s", r->state.path, why);
	r->tape.host.seam.off--;
}

/* At the end, for which there is room. */
static void put_end(struct recording *r, const char *why) {
	uint8_t *start = r->base + r->at;
	size_t size = strlen(why);
	uint8_t *end = reef_record_put_size(start + 1, size);
	memcpy(end, why, size);
	*start = REEF_ITEM_END;
	__atomic_store_n(&r->at, (size_t)(end + size - r->base), __ATOMIC_RELAXED);
}

static __attribute__((noinline)) bool grow(struct recording *r, size_t need) {
	char why[128];
	size_t step = need > STEP ? need + STEP : STEP;
	if (r->full)
		return false;
	if (r->room + step > r->limit)
		step = r->limit - r->room;
	int failed = r->at + need + RESERVE > r->limit ? EFBIG
				 : step == 0                       ? 0
												   : posix_fallocate(r->fd, (off_t)r->room, (off_t)step);
	if (failed == 0) {
		r->room += step;
		return true;
	}
	if (failed == EFBIG)
		snprintf(why, sizeof why, "it has %zu MiB, which is its limit (record_limit)", r->limit >> 20);
	else
		snprintf(why, sizeof why, "%s", strerrordesc_np(failed));
	put_end(r, why);
	stop(r, why);
	return false;
}

/* Where an item goes whose bytes are so many; NULL: nowhere. */
static inline uint8_t *begin(struct recording *r, size_t size) {
	size_t need = ITEM_MAX + size;
	if (__builtin_expect(r->full || r->at + need + RESERVE > r->room, 0) && !grow(r, need))
		return NULL;
	return r->base + r->at;
}

/* What it is comes last: until then the record ends before it. */
static inline void end_item(struct recording *r, uint8_t *start, unsigned kind, const uint8_t *end) {
	__atomic_store_n(start, (uint8_t)kind, __ATOMIC_RELEASE);
	__atomic_store_n(&r->at, (size_t)(end - r->base), __ATOMIC_RELAXED);
}

static inline uint8_t *put_bytes(uint8_t *to, const void *bytes, size_t size) {
	to = reef_record_put_size(to, size);
	if (size > 0)
		memcpy(to, bytes, size);
	return to + size;
}

static void put_plain(struct recording *r, enum reef_item_kind kind, const void *bytes, size_t size) {
	uint8_t *start = begin(r, size);
	if (start)
		end_item(r, start, kind, put_bytes(start + 1, bytes, size));
}

static inline uint8_t *put_time(struct recording *r, uint8_t *to) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	int64_t now = (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
	to = reef_record_put_number(to, now - r->time_ns);
	r->time_ns = now;
	return to;
}

static void put_empty(struct recording *r, enum reef_item_kind kind, bool time) {
	uint8_t *start = begin(r, 0);
	if (start)
		end_item(r, start, kind, time ? put_time(r, start + 1) : start + 1);
}

/* ---- what passes the seam ---- */

static int64_t record_number(struct reef_seam *seam, enum reef_seam_answer what, int64_t real) {
	struct recording *r = of(seam);
	uint8_t *start = begin(r, 0);
	int64_t shown = real;
	if (start == NULL)
		return real;
	if (what == REEF_SEAM_TIME) {
		shown = real - r->time_ns;
		r->time_ns = real;
	} else if (what == REEF_SEAM_WALL) {
		shown = real - r->wall_ns;
		r->wall_ns = real;
	}
	end_item(r, start, REEF_ITEM_NUMBER | what, reef_record_put_number(start + 1, shown));
	return real;
}

static void record_bytes(struct reef_seam *seam, enum reef_seam_answer what, void *real, size_t size) {
	uint8_t *start = begin(of(seam), size);
	if (start)
		end_item(of(seam), start, REEF_ITEM_BYTES | what, put_bytes(start + 1, real, size));
}

static const char *record_text(struct reef_seam *seam, enum reef_seam_answer what, const char *real) {
	size_t size = real ? strlen(real) : 0;
	uint8_t *start = begin(of(seam), size);
	if (start) {
		uint8_t *end = reef_record_put_number(start + 1, real != NULL);
		end_item(of(seam), start, REEF_ITEM_TEXT | what, put_bytes(end, real, size));
	}
	return real;
}

static uint8_t *put_about(uint8_t *to, const struct reef_seam_about *about) {
	to = reef_record_put_number(to, about->a);
	to = reef_record_put_number(to, about->b);
	to = reef_record_put_number(to, about->c);
	return put_bytes(to, about->bytes, about->size);
}

static bool record_act(struct reef_seam *seam, unsigned deed, const struct reef_seam_about *about) {
	uint8_t *start = begin(of(seam), about->size);
	if (start)
		end_item(of(seam), start, REEF_ITEM_DEED + deed, put_about(start + 1, about));
	return true;
}

static void record_told(struct reef_seam *seam, unsigned event, const struct reef_seam_about *about) {
	uint8_t *start = begin(of(seam), about->size);
	if (start)
		end_item(of(seam), start, REEF_ITEM_EVENT + event, put_about(start + 1, about));
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
	uint8_t *start = begin(r, m->size);
	if (start)
		end_item(r, start, REEF_ITEM_MESSAGE, put_time(r, put_about(start + 1, &about)));
	return true;
}

static void record_turn(struct reef_host_seam *seam) {
	put_empty(of(&seam->seam), REEF_ITEM_TURN, true);
}

static void record_nothing(struct reef_host_seam *seam) {
	(void)seam;
}

static void record_ending(struct reef_host_seam *seam) {
	put_empty(of(&seam->seam), REEF_ITEM_ENDING, false);
}

static const char *record_file(struct reef_host_seam *seam, const char *name) {
	(void)seam;
	return name;
}

static void record_note(struct reef_tape *tape, const char *what) {
	struct recording *r = (struct recording *)tape;
	if (r->full)
		return;
	put_plain(r, REEF_ITEM_NOTE, what, strlen(what));
	char why[160];
	snprintf(why, sizeof why, "%s cannot be recorded", what);
	stop(r, why);
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
	if (!r->full)
		put_end(r, "the service has ended");
	munmap(r->base, r->limit);
	(void)!ftruncate(r->fd, (off_t)r->at);
	close(r->fd);
	r->full = true;
	r->tape.host.host = NULL;
	if (!r->queued)
		reef_free(r);
}

/* ---- the beginning ---- */

static void put_head(struct recording *r, const char *key, const char *value) {
	size_t key_size = strlen(key), size = value ? strlen(value) : 0;
	uint8_t *start = value ? begin(r, key_size + size) : NULL;
	if (start)
		end_item(r, start, REEF_ITEM_HEAD, put_bytes(put_bytes(start + 1, key, key_size), value, size));
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
	memcpy(r->base, REEF_RECORD_MAGIC, REEF_RECORD_MAGIC_SIZE);
	r->at = REEF_RECORD_MAGIC_SIZE;
	clock_gettime(CLOCK_REALTIME, &now);
	put_head(r, "version", REEF_VERSION);
	put_head(r, "arguments", arguments);
	put_head(r, "folder", getcwd(folder, sizeof folder));
	put_head_number(r, "handle", r->state.handle);
	put_head_number(r, "seed", reef_seed());
	put_head_number(r, "start_ns", start.ns);
	put_head_number(r, "start_cs", start.cs);
	put_head_number(r, "start_second", start.second);
	put_head_number(r, "began", (uint64_t)now.tv_sec);
	for (size_t i = 0; i < sizeof places / sizeof *places; i++) {
		snprintf(key, sizeof key, "env.%s", places[i]);
		put_head(r, key, reef_env_get(places[i]));
	}
	put_empty(r, REEF_ITEM_READY, false);
}

static void record_opened(struct reef_host_seam *seam, lua_State *L) {
	lua_pushlightuserdata(L, seam);
	lua_setfield(L, LUA_REGISTRYINDEX, "reef.record");
	reef_tape_open_libraries(L);
}

static bool open_file(struct recording *r) {
	r->fd = open(r->state.path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	int failed = r->fd < 0 ? errno : posix_fallocate(r->fd, 0, (off_t)STEP);
	if (failed == 0) {
		r->base = mmap(NULL, r->limit, PROT_READ | PROT_WRITE, MAP_SHARED, r->fd, 0);
		failed = r->base == MAP_FAILED ? errno : 0;
	}
	if (failed == 0) {
		r->room = STEP;
		return true;
	}
	reef_log_at(REEF_LOG_WARN, r->state.handle, "cannot record %s to %s: %s", r->state.name, r->state.path,
				strerrordesc_np(failed));
	if (r->fd >= 0) {
		close(r->fd);
		unlink(r->state.path);
	}
	return false;
}

struct reef_host_seam *reef_record_make(struct reef_host *host, const char *arguments) {
	if (!reef_seam_is_on())
		return NULL;
	struct reef_record_state state = {.handle = reef_service_handle(reef_host_service(host))};
	if (!reef_record_files_wants(arguments, &state))
		return NULL;
	struct recording *r = reef_calloc(1, sizeof *r);
	long limit = reef_env_int("record_limit", DEFAULT_LIMIT);
	r->state = state;
	r->limit = (size_t)(limit > 1 ? limit : 2) << 20;
	if (!open_file(r)) {
		reef_free(r);
		return NULL;
	}
	r->tape = (struct reef_tape){.host = {.seam = {.number = record_number,
												   .bytes = record_bytes,
												   .text = record_text,
												   .act = record_act,
												   .told = record_told,
												   .defer = record_defer},
										  .host = host,
										  .opened = record_opened,
										  .booted = record_nothing,
										  .message = record_message,
										  .turn = record_turn,
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
	reef_log_at(REEF_LOG_INFO, state.handle, "is recorded to %s", state.path);
	return &r->tape.host;
}

size_t reef_record_states(struct reef_record_state *states, size_t n) {
	size_t count = 0;
	pthread_mutex_lock(&lock);
	for (struct recording *r = at_work; r; r = r->next, count++) {
		if (count >= n)
			continue;
		states[count] = r->state;
		states[count].bytes = __atomic_load_n(&r->at, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&lock);
	return count;
}
