/* See beside.h. Parts of the list are taken from both ends; who takes one compares all of it, and the publisher waits for the
 * one part that the other may be busy with when they meet. */
#include "beside.h"

#include <sched.h>
#include <stdatomic.h>
#include <stdint.h>
#include <sys/prctl.h>

#include "core/alloc.h"
#include "core/scheduler.h"
#include "core/sim.h"
#include "core/thread.h"
#include "unchanged.h"

#define PART 512u /* rows: some 30 us */
#define NO_PART UINT_MAX

enum { OPEN, TAKEN, COMPARED };

struct reef_beside {
	const Table *list;
	const struct reef_row *row;
	unsigned int size;
	unsigned int part; /* that the publisher is in */
	bool known;        /* whether that has been compared */
	atomic_bool over, left;
	atomic_uchar *parts;
	bool *unchanged; /* each row of parts that were compared beside */
};

unsigned int reef_beside_least = 1u << 13;

static _Atomic(struct reef_beside *) offered;
static atomic_bool coming; /* a thread has been made that has not looked yet */
static atomic_size_t compared;

size_t reef_beside_compared(void) {
	return atomic_load_explicit(&compared, memory_order_relaxed);
}

static bool both_are_tables(const Table *list, const struct reef_row *row, unsigned int at) {
	return ttistable(&list->array[at]) && ttistable(&row->table.array[at]);
}

static bool is_unchanged(const Table *list, const struct reef_row *row, unsigned int at) {
	return both_are_tables(list, row, at) &&
		   reef_unchanged_stays(hvalue(&list->array[at]), reef_row_of(hvalue(&row->table.array[at])));
}

static bool take_part(struct reef_beside *beside, unsigned int part) {
	unsigned char open = OPEN;
	return atomic_compare_exchange_strong(&beside->parts[part], &open, TAKEN);
}

static void compare_part(struct reef_beside *beside, unsigned int part) {
	unsigned int at = part * PART, end = beside->size - at > PART ? at + PART : beside->size;
	atomic_fetch_add_explicit(&compared, end - at, memory_order_relaxed);
	for (; at < end; at++) {
		reef_unchanged_expect(beside->list, beside->row, at);
		beside->unchanged[at] = is_unchanged(beside->list, beside->row, at);
	}
	atomic_store(&beside->parts[part], COMPARED);
}

static void *compare_beside(void *unused) {
	(void)unused;
	prctl(PR_SET_NAME, "compare");
	atomic_store(&coming, false);
	struct reef_beside *beside = atomic_exchange(&offered, NULL);
	if (beside == NULL)
		return NULL;
	unsigned int part = (beside->size - 1) / PART;
	while (!atomic_load(&beside->over) && take_part(beside, part)) {
		compare_part(beside, part);
		if (part-- == 0)
			break;
	}
	atomic_store(&beside->left, true);
	return NULL;
}

/* One that comes late finds what is offered then. */
static bool offer(struct reef_beside *beside) {
	atomic_store(&offered, beside);
	if (atomic_exchange(&coming, true) || reef_thread_detached(compare_beside, NULL) == 0)
		return true;
	atomic_store(&coming, false);
	return atomic_exchange(&offered, NULL) != beside;
}

static bool pays(const Table *list, const struct reef_row *row, unsigned int size) {
	return size > 0 && size >= reef_beside_least && both_are_tables(list, row, size / 2) && !reef_sim_on &&
		   reef_scheduler_has_processor_left();
}

struct reef_beside *reef_beside_begin(const Table *list, const struct reef_row *row) {
	unsigned int size = luaH_realasize(list);
	if (size > row->table.alimit)
		size = row->table.alimit;
	if (!pays(list, row, size))
		return NULL;
	unsigned int parts = (size - 1) / PART + 1;
	struct reef_beside *beside = reef_try_malloc(sizeof(*beside) + parts + size);
	if (beside == NULL)
		return NULL;
	*beside = (struct reef_beside){.list = list, .row = row, .size = size, .part = NO_PART};
	beside->parts = (atomic_uchar *)(beside + 1);
	beside->unchanged = (bool *)(beside->parts + parts);
	for (unsigned int i = 0; i < parts; i++)
		atomic_init(&beside->parts[i], OPEN);
	if (offer(beside))
		return beside;
	reef_free(beside);
	return NULL;
}

void reef_beside_end(struct reef_beside *beside) {
	if (beside == NULL)
		return;
	atomic_store(&beside->over, true);
	if (atomic_exchange(&offered, NULL) == NULL) {
		while (!atomic_load(&beside->left))
			sched_yield();
	}
	reef_free(beside);
}

bool reef_beside_knows(struct reef_beside *beside, const TValue *key) {
	if (beside == NULL || !ttisinteger(key) || l_castS2U(ivalue(key)) - 1u >= beside->size)
		return false;
	unsigned int part = (unsigned int)(ivalue(key) - 1) / PART;
	if (part != beside->part) {
		beside->part = part;
		beside->known = !take_part(beside, part);
		while (beside->known && atomic_load(&beside->parts[part]) != COMPARED)
			sched_yield();
	}
	return beside->known;
}

bool reef_beside_is_unchanged(const struct reef_beside *beside, const TValue *key) {
	return beside->unchanged[ivalue(key) - 1];
}
