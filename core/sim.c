/* See sim.h. */
#include "sim.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "array.h"

#define SECOND_NS UINT64_C(1000000000)
/* A run begins at some second of a leap year and the three behind it, so that midnights, Sundays and ends of months come in
 * all kinds of relations to what it does. */
#define FIRST_DAY UINT64_C(1704067200) /* 2024-01-01 */
#define DAYS (4 * 365 + 1)
/* Not 0, which stands for "no time" in many places; and timers' ticks begin anew somewhere behind it. */
#define START_NS (1000 * SECOND_NS)

bool reef_sim_on;

static struct reef_sim_options options;
static _Atomic uint64_t now_ns = START_NS;
static _Atomic int64_t wall_offset; /* wall clock less now_ns */
static uint64_t streams[REEF_SIM_STREAMS];
static uint64_t hash = UINT64_C(0xcbf29ce484222325);
static uint64_t messages, lines;
static uint32_t faults;
static int promises;
static bool started, no_errors;
static void (*last_act)(void);

/* ---- chance ---- */

static uint64_t mix(uint64_t x) {
	x = (x ^ (x >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	x = (x ^ (x >> 27)) * UINT64_C(0x94d049bb133111eb);
	return x ^ (x >> 31);
}

/* splitmix64 */
uint64_t reef_sim_draw(enum reef_sim_stream stream) {
	return mix(streams[stream] += UINT64_C(0x9e3779b97f4a7c15));
}

uint64_t reef_sim_below(enum reef_sim_stream stream, uint64_t n) {
	return (uint64_t)(((unsigned __int128)reef_sim_draw(stream) * n) >> 64);
}

double reef_sim_unit(enum reef_sim_stream stream) {
	return (double)(reef_sim_draw(stream) >> 11) * 0x1p-53;
}

bool reef_sim_fault(double probability) {
	if (probability <= 0 || reef_sim_unit(REEF_SIM_FAULT) >= probability)
		return false;
	uint32_t n = ++faults;
	return options.left_out == NULL || n >= REEF_SIM_FAULTS || !(options.left_out[n / 8] >> n % 8 & 1);
}

/* ---- time ---- */

uint64_t reef_sim_now(void) {
	return atomic_load_explicit(&now_ns, memory_order_relaxed);
}

uint64_t reef_sim_wall(void) {
	return reef_sim_now() + (uint64_t)atomic_load_explicit(&wall_offset, memory_order_relaxed);
}

uint64_t reef_sim_elapsed(void) {
	return reef_sim_now() - START_NS;
}

void reef_sim_advance_to(uint64_t ns) {
	if (ns > reef_sim_now())
		atomic_store_explicit(&now_ns, ns, memory_order_relaxed);
}

void reef_sim_jump_wall(int64_t ns) {
	atomic_fetch_add_explicit(&wall_offset, ns, memory_order_relaxed);
}

uint64_t reef_sim_until(void) {
	return options.until_ns > UINT64_MAX - START_NS ? UINT64_MAX : START_NS + options.until_ns;
}

/* What is to happen: a heap by time, and by number for those of one time. */
struct due {
	uint64_t when, number;
	void (*run)(void *ud, uint64_t n);
	void *ud;
	uint64_t n;
};

static struct REEF_ARRAY(struct due) heap;
static uint64_t last_number;

static bool comes_before(const struct due *a, const struct due *b) {
	return a->when != b->when ? a->when < b->when : a->number < b->number;
}

void reef_sim_at(uint64_t when_ns, void (*run)(void *ud, uint64_t n), void *ud, uint64_t n) {
	struct due due = {.when = when_ns, .number = ++last_number, .run = run, .ud = ud, .n = n};
	if (reef_array_add(&heap) == NULL)
		reef_alloc_give_up(sizeof due);
	size_t i = heap.count - 1;
	for (; i > 0 && comes_before(&due, &heap.items[(i - 1) / 2]); i = (i - 1) / 2)
		heap.items[i] = heap.items[(i - 1) / 2];
	heap.items[i] = due;
}

uint64_t reef_sim_next(void) {
	return heap.count > 0 ? heap.items[0].when : UINT64_MAX;
}

static struct due take_first(void) {
	struct due *items = heap.items, first = items[0], last = items[--heap.count];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < heap.count) {
		if (child + 1 < heap.count && comes_before(&items[child + 1], &items[child]))
			child++;
		if (comes_before(&last, &items[child]))
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = last;
	return first;
}

void reef_sim_run_due(void) {
	while (reef_sim_next() <= reef_sim_now()) {
		struct due due = take_first();
		due.run(due.ud, due.n);
	}
}

/* ---- what is seen ---- */

/* FNV-1a */
void reef_sim_note(const void *bytes, size_t size) {
	const unsigned char *p = bytes;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ p[i]) * UINT64_C(0x100000001b3);
}

void reef_sim_note_number(uint64_t n) {
	reef_sim_note(&n, sizeof n);
}

void reef_sim_count_message(void) {
	messages++;
}

void reef_sim_note_line(uint32_t source, const char *text, size_t size) {
	lines++;
	reef_sim_note_number(reef_sim_now());
	reef_sim_note_number(source);
	reef_sim_note(text, size);
}

/* ---- start and end ---- */

void reef_sim_begin(const struct reef_sim_options *given) {
	options = *given;
	reef_sim_on = true;
	uint64_t state = mix(given->seed + 1);
	for (int i = 0; i < REEF_SIM_STREAMS; i++)
		streams[i] = mix(state += UINT64_C(0x9e3779b97f4a7c15));
	uint64_t second = FIRST_DAY + reef_sim_below(REEF_SIM_PROGRAM, UINT64_C(86400) * DAYS);
	uint64_t wall = second * SECOND_NS + reef_sim_below(REEF_SIM_PROGRAM, SECOND_NS);
	atomic_store(&wall_offset, (int64_t)(wall - START_NS));
}

void reef_sim_before_end(void (*act)(void)) {
	last_act = act;
}

_Noreturn void reef_sim_end(enum reef_sim_outcome outcome, const char *why) {
	struct reef_sim_result *result = options.result;
	*result = (struct reef_sim_result){.outcome = outcome,
									   .fingerprint = mix(hash),
									   .messages = messages,
									   .lines = lines,
									   .time_ns = reef_sim_elapsed(),
									   .faults = faults};
	snprintf(result->why, sizeof result->why, "%s", why);
	if (last_act)
		last_act();
	fflush(NULL);
	_exit(outcome == REEF_SIM_PASSED ? 0 : 1);
}

void reef_sim_promise(int n) {
	promises += n;
}

_Noreturn void reef_sim_end_by_itself(void) {
	if (promises == 0)
		reef_sim_end(REEF_SIM_PASSED, "");
	reef_sim_end(REEF_SIM_FAILED, "it ended before what is promised for later (sim.eventually) had come about; --until "
								  "gives it more time");
}

_Noreturn void reef_sim_end_of_events(void) {
	if (!started)
		reef_sim_end(REEF_SIM_FAILED, "nothing is left to happen, and the start is not over: it waits for ever");
	reef_sim_end_by_itself();
}

void reef_sim_started(void) {
	started = true;
}

void reef_sim_promise_no_errors(void) {
	no_errors = true;
}

void reef_sim_uncaught(const char *text, size_t size) {
	char why[sizeof((struct reef_sim_result *)0)->why];
	if (!no_errors)
		return;
	snprintf(why, sizeof why, "an error that nobody caught: %.*s", (int)size, text);
	reef_sim_end(REEF_SIM_FAILED, why);
}

_Noreturn void reef_sim_refuse(const char *what) {
	char why[256];
	snprintf(why, sizeof why, "%s cannot be simulated", what);
	reef_sim_end(REEF_SIM_REFUSED, why);
}
