/* The timer wheel.
 *
 * Time is cut into ticks of 2^16 ns. Level 0 has a slot for each of the next 256 ticks, each higher level 64 slots that
 * are 64 times (the first one 256 times) as wide; when time reaches a slot of a higher level, its timers move down. A
 * slot is a list of chunks, arrays of timers, so that a timer is 16 bytes and nothing is allocated for most of them. A
 * bit for each slot that is not empty finds the next thing to do without walking through empty ones.
 */
#include "timer.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

#include "alloc.h"
#include "clock.h"
#include "poller.h"
#include "seam.h"
#include "send.h"

#define TICK_BITS 16
#define FIRST_BITS 8
#define NEXT_BITS 6
#define LEVELS 8 /* 2^(16 + 8 + 7 * 6) ns: more than a century */
#define FIRST_SLOTS (1 << FIRST_BITS)
#define NEXT_SLOTS (1 << NEXT_BITS)
#define CHUNK_TIMERS 62
#define SPARE_CHUNKS 1024

struct timer {
	uint64_t tick;
	uint32_t handle;
	int32_t session;
};

struct chunk {
	struct chunk *next;
	size_t n;
	struct timer timer[CHUNK_TIMERS];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static uint64_t current; /* every timer up to this tick has been sent */
static struct chunk *first[FIRST_SLOTS];
static struct chunk *higher[LEVELS][NEXT_SLOTS]; /* [0] is unused */
static uint64_t first_used[FIRST_SLOTS / 64];
static uint64_t higher_used[LEVELS];
static struct chunk *spare;
static size_t spare_count;
static atomic_uint_fast64_t next_ns = UINT64_MAX;

/* ---- the wheel, under the lock ---- */

static struct chunk *chunk_new(struct chunk *next) {
	struct chunk *chunk = spare;
	if (chunk) {
		spare = chunk->next;
		spare_count--;
	} else {
		chunk = reef_malloc(sizeof *chunk);
	}
	chunk->next = next;
	chunk->n = 0;
	return chunk;
}

static void chunk_delete(struct chunk *chunk) {
	if (spare_count >= SPARE_CHUNKS) {
		reef_free(chunk);
		return;
	}
	chunk->next = spare;
	spare = chunk;
	spare_count++;
}

/* Chunks are put in front of each other; timers are to be sent in the order in which they were added. */
static struct chunk *oldest_first(struct chunk *chunk) {
	struct chunk *turned = NULL;
	while (chunk) {
		struct chunk *next = chunk->next;
		chunk->next = turned;
		turned = chunk;
		chunk = next;
	}
	return turned;
}

static int level_shift(int level) {
	return FIRST_BITS + (level - 1) * NEXT_BITS;
}

static void place_timer(const struct timer *timer) {
	uint64_t distance = timer->tick - current;
	struct chunk **slot;
	if (distance < FIRST_SLOTS) {
		uint64_t i = timer->tick & (FIRST_SLOTS - 1);
		slot = &first[i];
		first_used[i / 64] |= UINT64_C(1) << i % 64;
	} else {
		int level = 1;
		while (level < LEVELS - 1 && distance >> level_shift(level + 1))
			level++;
		uint64_t i = timer->tick >> level_shift(level) & (NEXT_SLOTS - 1);
		slot = &higher[level][i];
		higher_used[level] |= UINT64_C(1) << i;
	}
	if (*slot == NULL || (*slot)->n == CHUNK_TIMERS)
		*slot = chunk_new(*slot);
	(*slot)->timer[(*slot)->n++] = *timer;
}

/* Distance from slot `from` (excluded) to the next used one, going round; 0 if none is used. */
static uint64_t next_used(uint64_t used, unsigned from) {
	if (used == 0)
		return 0;
	unsigned start = (from + 1) % 64;
	uint64_t turned = start ? used >> start | used << (64 - start) : used;
	return (uint64_t)__builtin_ctzll(turned) + 1;
}

static uint64_t next_first(void) {
	for (unsigned distance = 1; distance <= FIRST_SLOTS;) {
		unsigned i = (unsigned)(current + distance) & (FIRST_SLOTS - 1);
		uint64_t rest = first_used[i / 64] >> i % 64;
		if (rest) {
			distance += (unsigned)__builtin_ctzll(rest);
			return distance <= FIRST_SLOTS ? current + distance : UINT64_MAX;
		}
		distance += 64 - i % 64;
	}
	return UINT64_MAX;
}

/* The next tick at which a slot has to be emptied; UINT64_MAX if there is none. */
static uint64_t next_tick(void) {
	uint64_t next = next_first();
	for (int level = 1; level < LEVELS; level++) {
		int shift = level_shift(level);
		uint64_t distance = next_used(higher_used[level], (unsigned)(current >> shift) & (NEXT_SLOTS - 1));
		if (distance) {
			uint64_t tick = ((current >> shift) + distance) << shift;
			if (tick < next)
				next = tick;
		}
	}
	return next;
}

/* Moves the timers of the higher slots that begin at `current` down. */
static void cascade(void) {
	for (int level = LEVELS - 1; level > 0; level--) {
		int shift = level_shift(level);
		if (current & ((UINT64_C(1) << shift) - 1))
			continue;
		uint64_t i = current >> shift & (NEXT_SLOTS - 1);
		struct chunk *chunk = oldest_first(higher[level][i]);
		higher[level][i] = NULL;
		higher_used[level] &= ~(UINT64_C(1) << i);
		while (chunk) {
			struct chunk *next = chunk->next;
			for (size_t k = 0; k < chunk->n; k++)
				place_timer(&chunk->timer[k]);
			chunk_delete(chunk);
			chunk = next;
		}
	}
}

static uint64_t tick_ns(uint64_t tick) {
	return tick == UINT64_MAX ? UINT64_MAX : tick << TICK_BITS;
}

/* ---- the interface ---- */

void reef_timer_init(void) {
	current = reef_now_ns() >> TICK_BITS;
}

static void free_chunks(struct chunk *chunk) {
	while (chunk) {
		struct chunk *next = chunk->next;
		reef_free(chunk);
		chunk = next;
	}
}

void reef_timer_fini(void) {
	for (int i = 0; i < FIRST_SLOTS; i++)
		free_chunks(first[i]);
	for (int level = 1; level < LEVELS; level++)
		for (int i = 0; i < NEXT_SLOTS; i++)
			free_chunks(higher[level][i]);
	free_chunks(spare);
}

static void send_due(uint32_t handle, int32_t session) {
	struct reef_message *m = reef_message_new(0);
	m->type = REEF_PTYPE_RESPONSE;
	m->session = session;
	reef_send(handle, m);
}

void reef_timer_add(uint32_t handle, int32_t session, uint64_t deadline_ns) {
	struct reef_seam *seam = reef_seam_here();
	if (seam && !seam->act(seam, REEF_SEAM_TIMER, &(struct reef_seam_about){.a = session}))
		return;
	(void)reef_seam_leave();
	/* Rounded up: never early. */
	struct timer timer = {
			.tick = (deadline_ns + (UINT64_C(1) << TICK_BITS) - 1) >> TICK_BITS, .handle = handle, .session = session};
	pthread_mutex_lock(&lock);
	bool due = timer.tick <= current;
	if (!due) {
		place_timer(&timer);
		uint64_t ns = tick_ns(timer.tick);
		if (ns < atomic_load_explicit(&next_ns, memory_order_relaxed))
			atomic_store(&next_ns, ns);
	}
	pthread_mutex_unlock(&lock);
	if (due)
		send_due(handle, session);
	else if (tick_ns(timer.tick) < reef_poller_blocked_until())
		reef_poller_kick();
	reef_seam_return(seam);
}

uint64_t reef_timer_next(void) {
	return atomic_load(&next_ns);
}

/* Something is due. */
static __attribute__((noinline)) int expire_due(uint64_t now_ns) {
	struct chunk *due = NULL, **due_tail = &due;
	uint64_t target = now_ns >> TICK_BITS;
	pthread_mutex_lock(&lock);
	uint64_t tick;
	while ((tick = next_tick()) <= target) {
		current = tick;
		cascade();
		uint64_t i = current & (FIRST_SLOTS - 1);
		*due_tail = oldest_first(first[i]);
		first[i] = NULL;
		first_used[i / 64] &= ~(UINT64_C(1) << i % 64);
		while (*due_tail)
			due_tail = &(*due_tail)->next;
	}
	if (target > current)
		current = target;
	atomic_store(&next_ns, tick_ns(tick));
	pthread_mutex_unlock(&lock);

	int sent = 0;
	for (struct chunk *chunk = due; chunk; chunk = chunk->next) {
		for (size_t k = 0; k < chunk->n; k++, sent++)
			send_due(chunk->timer[k].handle, chunk->timer[k].session);
	}
	if (due) {
		pthread_mutex_lock(&lock);
		while (due) {
			struct chunk *next = due->next;
			chunk_delete(due);
			due = next;
		}
		pthread_mutex_unlock(&lock);
	}
	return sent;
}

int reef_timer_expire(uint64_t now_ns) {
	return now_ns < atomic_load_explicit(&next_ns, memory_order_relaxed) ? 0 : expire_due(now_ns);
}
