/* See expiry.h. One timerfd in the poller's set and a binary heap of (time, id). Entries are not withdrawn: one whose slot has another
 * deadline by now, or none, is dropped when its time comes. */
#include "expiry.h"
#include "core/clock.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/array.h"
#include "core/log.h"
#include "core/poller.h"
#include "core/sim.h"
#include "slot.h"

struct entry {
	uint64_t when;
	uint32_t id;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct REEF_ARRAY(struct entry) heap;
static int timer = -1;
static uint64_t armed; /* 0: not */
static void (*on_expiry)(struct reef_slot *slot);

static bool heap_push(struct entry entry) {
	if (reef_array_add(&heap) == NULL)
		return false;
	size_t i = heap.count - 1;
	for (; i > 0 && heap.items[(i - 1) / 2].when > entry.when; i = (i - 1) / 2)
		heap.items[i] = heap.items[(i - 1) / 2];
	heap.items[i] = entry;
	return true;
}

static struct entry heap_pop(void) {
	struct entry *items = heap.items, top = items[0], last = items[--heap.count];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < heap.count) {
		if (child + 1 < heap.count && items[child + 1].when < items[child].when)
			child++;
		if (last.when <= items[child].when)
			break;
		items[i] = items[child];
		i = child;
	}
	items[i] = last;
	return top;
}

static void time_has_come(void *ud, uint64_t n) {
	(void)ud;
	(void)n;
	reef_expiry_fire();
}

/* Makes the timer fire at the first entry. */
static void arm_heap_timer(void) {
	if (heap.count == 0 || (armed != 0 && armed <= heap.items[0].when))
		return;
	armed = heap.items[0].when;
	if (reef_sim_on) {
		reef_sim_at(armed, time_has_come, NULL, 0);
		return;
	}
	struct itimerspec spec = {
			.it_value = {.tv_sec = (time_t)(armed / 1000000000u), .tv_nsec = (long)(armed % 1000000000u)}};
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

void reef_expiry_set(struct reef_slot *slot, uint64_t deadline_ns) {
	slot->deadline_ns = deadline_ns;
	if (deadline_ns == 0)
		return;
	pthread_mutex_lock(&lock);
	if (!heap_push((struct entry){.when = deadline_ns, .id = atomic_load(&slot->id)}))
		reef_log(0, "error: socket: no memory for a deadline");
	arm_heap_timer();
	pthread_mutex_unlock(&lock);
}

void reef_expiry_fire(void) {
	uint64_t expirations;
	if (!reef_sim_on && read(timer, &expirations, sizeof expirations) < 0)
		return;
	for (;;) {
		uint64_t now = reef_now_ns();
		pthread_mutex_lock(&lock);
		armed = 0;
		if (heap.count == 0 || heap.items[0].when > now) {
			arm_heap_timer();
			pthread_mutex_unlock(&lock);
			return;
		}
		struct entry entry = heap_pop();
		pthread_mutex_unlock(&lock);
		struct reef_slot *slot = reef_slot_lock((int)entry.id);
		if (slot == NULL)
			continue;
		if (slot->deadline_ns != 0 && slot->deadline_ns <= now) {
			slot->deadline_ns = 0;
			on_expiry(slot);
		}
		reef_slot_unlock(slot);
	}
}

void reef_expiry_setup(void (*expired)(struct reef_slot *slot)) {
	on_expiry = expired;
	if (reef_sim_on)
		return;
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int error = timer < 0 ? errno : reef_poller_add(timer, REEF_POLL_SOCKET, 0, EPOLLIN);
	if (error != 0) {
		fprintf(stderr, "reef: no timer for the deadlines of sockets: %s\n", strerror(error));
		exit(1);
	}
}
