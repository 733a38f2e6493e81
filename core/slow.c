/* The slowest messages: see slow.h. There are two lists, one of the current five minutes and one of those before. */
#include "slow.h"

#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#include "clock.h"
#include "cycles.h"
#include "service.h"
#include "service_private.h"

#define WINDOW_NS UINT64_C(300000000000)
#define LEAST_US 1000

_Atomic uint64_t reef_slow_above = UINT64_MAX;

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t counted_above = UINT64_MAX;
static atomic_bool keeps;
static struct list {
	struct reef_slow slow[REEF_SLOW_MOST];
	uint64_t cycles[REEF_SLOW_MOST];
	size_t n;
} lists[2];
static unsigned current;
static _Atomic uint64_t window_began_ns;

void reef_slow_init(uint64_t counted) {
	counted_above = counted;
	atomic_store(&reef_slow_above, counted);
	atomic_store(&keeps, false);
	memset(lists, 0, sizeof lists);
}

static size_t fastest(const struct list *list) {
	size_t least = 0;
	for (size_t i = 1; i < list->n; i++)
		if (list->cycles[i] < list->cycles[least])
			least = i;
	return least;
}

/* With the lock. */
static void set_threshold(void) {
	const struct list *list = &lists[current];
	uint64_t enters = list->n < REEF_SLOW_MOST ? reef_cycles_from_us(LEAST_US) : list->cycles[fastest(list)];
	atomic_store_explicit(&reef_slow_above, enters < counted_above ? enters : counted_above, memory_order_relaxed);
}

void reef_slow_keep(void) {
	pthread_mutex_lock(&lock);
	if (!atomic_exchange(&keeps, true)) {
		atomic_store(&window_began_ns, reef_now_ns());
		set_threshold();
	}
	pthread_mutex_unlock(&lock);
}

void reef_slow_age(void) {
	uint64_t now = reef_now_ns();
	if (!atomic_load_explicit(&keeps, memory_order_relaxed) ||
		now - atomic_load_explicit(&window_began_ns, memory_order_relaxed) < WINDOW_NS)
		return;
	pthread_mutex_lock(&lock);
	uint64_t age = now - atomic_load(&window_began_ns);
	if (age >= WINDOW_NS) {
		if (age >= 2 * WINDOW_NS)
			lists[current].n = 0;
		current = !current;
		lists[current].n = 0;
		atomic_store(&window_began_ns, now);
		set_threshold();
	}
	pthread_mutex_unlock(&lock);
}

static void keep(struct reef_service *service, unsigned kind, uint32_t source, uint64_t cycles) {
	pthread_mutex_lock(&lock);
	struct list *list = &lists[current];
	size_t at = list->n < REEF_SLOW_MOST ? list->n : fastest(list);
	if (at == list->n || cycles > list->cycles[at]) {
		list->n += at == list->n;
		list->cycles[at] = cycles;
		list->slow[at] = (struct reef_slow){.time = reef_wall_seconds(),
											.seconds = reef_cycles_to_seconds(cycles),
											.service = service->handle,
											.source = source,
											.kind = kind};
		snprintf(list->slow[at].name, sizeof list->slow[at].name, "%s", service->description);
		set_threshold();
	}
	pthread_mutex_unlock(&lock);
}

void reef_slow_note(struct reef_service *service, unsigned kind, uint32_t source, uint64_t cycles) {
	if (cycles > counted_above)
		reef_service_note_slow(service, kind);
	if (atomic_load_explicit(&keeps, memory_order_relaxed) && cycles > reef_cycles_from_us(LEAST_US))
		keep(service, kind, source, cycles);
}

size_t reef_slow_list(struct reef_slow list[2 * REEF_SLOW_MOST]) {
	size_t n = 0;
	pthread_mutex_lock(&lock);
	for (int i = 0; i < 2; i++) {
		memcpy(list + n, lists[i].slow, lists[i].n * sizeof list[0]);
		n += lists[i].n;
	}
	pthread_mutex_unlock(&lock);
	return n;
}
