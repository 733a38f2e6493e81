/* One timerfd in the poller's set and a binary heap of (time, id). Entries are not withdrawn: one whose slot has another
 * deadline by now, or none, is dropped when its time comes. */
#include "socket/deadline.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/poller.h"
#include "socket/slot.h"

struct entry {
	uint64_t when;
	uint32_t id;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct entry *heap;
static size_t count, room;
static int timer = -1;
static uint64_t armed; /* 0: not */

static void push(struct entry entry) {
	if (count == room) {
		room = room ? room * 2 : 64;
		heap = reef_realloc(heap, room * sizeof *heap);
	}
	size_t i = count++;
	for (; i > 0 && heap[(i - 1) / 2].when > entry.when; i = (i - 1) / 2)
		heap[i] = heap[(i - 1) / 2];
	heap[i] = entry;
}

static struct entry pop(void) {
	struct entry top = heap[0], last = heap[--count];
	size_t i = 0, child;
	while ((child = 2 * i + 1) < count) {
		if (child + 1 < count && heap[child + 1].when < heap[child].when)
			child++;
		if (last.when <= heap[child].when)
			break;
		heap[i] = heap[child];
		i = child;
	}
	heap[i] = last;
	return top;
}

void reef_deadline_setup(void) {
	timer = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	int error = timer < 0 ? errno : reef_poller_add(timer, REEF_POLL_SOCKET, 0, EPOLLIN);
	if (error != 0) {
		fprintf(stderr, "reef: no timer for the deadlines of sockets: %s\n", strerror(error));
		exit(1);
	}
}

/* Makes the timer fire at the first entry. */
static void arm(void) {
	if (count == 0 || (armed != 0 && armed <= heap[0].when))
		return;
	armed = heap[0].when;
	struct itimerspec spec = {
			.it_value = {.tv_sec = (time_t)(armed / 1000000000u), .tv_nsec = (long)(armed % 1000000000u)}};
	timerfd_settime(timer, TFD_TIMER_ABSTIME, &spec, NULL);
}

void reef_deadline_set(struct reef_slot *slot, uint64_t deadline_ns) {
	slot->deadline_ns = deadline_ns;
	if (deadline_ns == 0)
		return;
	pthread_mutex_lock(&lock);
	push((struct entry){.when = deadline_ns, .id = atomic_load(&slot->id)});
	arm();
	pthread_mutex_unlock(&lock);
}

void reef_deadline_fire(void) {
	uint64_t expirations;
	if (read(timer, &expirations, sizeof expirations) < 0)
		return;
	for (;;) {
		uint64_t now = reef_now_ns();
		pthread_mutex_lock(&lock);
		armed = 0;
		if (count == 0 || heap[0].when > now) {
			arm();
			pthread_mutex_unlock(&lock);
			return;
		}
		struct entry entry = pop();
		pthread_mutex_unlock(&lock);
		struct reef_slot *slot = reef_slot_lock((int)entry.id);
		if (slot == NULL)
			continue;
		if (slot->deadline_ns != 0 && slot->deadline_ns <= now) {
			slot->deadline_ns = 0;
			reef_slot_expired(slot);
		}
		reef_slot_unlock(slot);
	}
}
