/* One worker: see worker.h. It takes services from the queues and runs their slices; with nothing to run it polls or sleeps.
 *
 * Order of choice: `next` (what the last slice woke; at most HAND_OVERS times in a row while others wait), the own
 * queue, the process' queue, other workers' queues, heavy services, what polling brings.
 *
 * What bounds the waiting is time, not counts of slices, which may be long. Every 100 us, or after the slice that
 * was longer, a worker polls, and then takes from the process' queue before its own, but not twice in a row. Services
 * that are known for long slices stand behind all others, so that those wait for one such slice and not for all; when
 * others have work all the time, heavy ones get as much time as these.
 */
#include "worker.h"

#include <linux/futex.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "cycles.h"
#include "delay.h"
#include "epoch.h"
#include "mailbox.h"
#include "module.h"
#include "poller.h"
#include "prefetch.h"
#include "scheduler.h"
#include "send.h"
#include "service_life.h"
#include "service_private.h"
#include "slice.h"
#include "slow.h"
#include "spare.h"
#include "watchdog.h"
#include "worker_private.h"
#include "world.h"

#define SLICE_MESSAGES 256 /* that a slice handles before others get their turn */
#define HAND_OVERS 8       /* in a row; measured: unlimited starves others, less costs cache misses */
#define RECLAIM_AT 64      /* retired objects */
#define COLD 512           /* slices of others after which nothing of a service is left in the cache */
#define HOT 64        /* slices in a row that are not cold, after which nothing is fetched for a service any more */
#define LOOKING 64    /* slices after a cold one for which the worker looks ahead */
#define NOTE_EVERY 32 /* cold slices, at last; what a service works with seldom changes */
#define NEAR 3        /* places in the queue: whose memory is fetched, */
#define FAR 8         /* and whose notes about it are */

#define FETCHED (sizeof(((struct reef_worker *)NULL)->fetched) / sizeof(void *))

/* ---- one slice ---- */

static void run_deferred(struct reef_worker *worker) {
	while (worker->deferred) {
		struct reef_deferred *deferred = worker->deferred;
		worker->deferred = deferred->next;
		if (worker->deferred == NULL)
			worker->deferred_tail = &worker->deferred;
		deferred->run(deferred);
	}
}

static void handle_message(struct reef_service *service, struct reef_message *m) {
	if (m->flags & REEF_MESSAGE_EVENT) {
		struct reef_event *event = (struct reef_event *)m;
		uint64_t before = reef_counter_get(&service->messages);
		if (service->module->enter)
			service->module->enter(service);
		event->deliver(service, event);
		/* Of what was handed over as messages, these are counted. */
		if (reef_counter_get(&service->messages) == before)
			reef_counter_add(&service->messages, 1);
		if (service->turn_end)
			service->turn_end(service, service->callback_ud);
		if (service->module->leave)
			service->module->leave(service);
		return;
	}
	reef_service_deliver(service, m, m);
}

static bool was_fetched(const struct reef_worker *worker, const struct reef_service *service) {
	bool found = false;
	for (size_t i = 0; i < FETCHED; i++)
		found |= worker->fetched[i] == service;
	return found;
}

/* Fetches what the next ones in the queue will want while others run (warm.h). What this one wants comes late if it was not in
 * the queue, but all at the same time. */
static void fetch_for_next(struct reef_worker *worker, const struct reef_service *now) {
	const struct reef_service *near = reef_run_queue_peek(&worker->queue, NEAR);
	const char *far = (const char *)reef_run_queue_peek(&worker->queue, FAR);
	worker->looking--;
	if (!was_fetched(worker, now))
		reef_warm_fetch(&now->warm);
	worker->fetched[worker->slices % FETCHED] = near;
	if (near) {
		const char *message = (const char *)atomic_load_explicit(&near->inbox, memory_order_relaxed);
		reef_prefetch(message);
		reef_prefetch(message + REEF_LINE);
		reef_warm_fetch(&near->warm);
	}
	/* Before it is empty: nothing would have been fetched for the first of those that come. */
	if (far == NULL)
		reef_global_queue_refill(&worker->queue);
	for (size_t at = 0; far && at < offsetof(struct reef_service, mailbox); at += REEF_LINE)
		reef_prefetch(far + at);
}

static __attribute__((noinline)) void note_cold(struct reef_worker *worker, struct reef_service *service) {
	struct reef_warm *warm = &service->warm;
	worker->looking = LOOKING;
	warm->hot = 0;
	if (service->module->warm == NULL)
		return;
	/* After one, two, four of them, and so on: what comes first may be unlike all that follows. */
	unsigned n = ++warm->noted;
	if (n == 2 * NOTE_EVERY)
		warm->noted = NOTE_EVERY;
	if ((n & (n - 1)) == 0)
		service->module->warm(service, warm);
}

/* At the end of a slice, before the service may run elsewhere. */
static inline __attribute__((always_inline)) void note_warm(struct reef_worker *worker, struct reef_service *service) {
	struct reef_warm *warm = &service->warm;
	bool cold = worker->slices - service->last_slice > COLD;
	service->last_slice = worker->slices;
	if (__builtin_expect(cold, 0)) {
		note_cold(worker, service);
	} else if (worker->looking > 0 && warm->count > 0 && ++warm->hot == HOT) {
		reef_warm_clear(warm);
		warm->noted = 0;
	}
}

/* How long a service has kept its worker, as others see it. The time in which the kernel gave the processor to somebody
 * else is not the service's: on a busy machine every service would be known for long slices, and more and more workers
 * would be called. */
static uint64_t own_part(struct reef_worker *worker, uint64_t cycles) {
	uint64_t a_while = 4 * reef_scheduler_limits.is_long;
	if (__builtin_expect(cycles <= a_while, 1))
		return cycles;
	uint64_t waited = reef_cycles_from_us(reef_run_delay_ask(&worker->waited) / 1000);
	/* Of a service that was not known for long slices this may be the time before: next time it is asked at the start. */
	return waited < cycles - a_while ? cycles - waited : a_while;
}

/* A slice is over: its length, which is returned, goes into the service's average. */
static uint64_t note_length(struct reef_worker *worker, struct reef_service *service, uint64_t cycles) {
	uint64_t own = own_part(worker, cycles);
	uint32_t length = own > UINT32_MAX ? UINT32_MAX : (uint32_t)own;
	service->slice_cycles += (length >> 2) - (service->slice_cycles >> 2);
	return own;
}

/* The watchdog sees that something new has begun. */
static void note_progress(struct reef_worker *worker) {
	atomic_store_explicit(&worker->progress, atomic_load_explicit(&worker->progress, memory_order_relaxed) + 1,
						  memory_order_relaxed);
}

static void release_service(struct reef_worker *worker, struct reef_service *service) {
	atomic_store_explicit(&service->message_start, reef_cycles(), memory_order_relaxed);
	note_progress(worker);
	atomic_store_explicit(&worker->releasing, true, memory_order_relaxed);
	atomic_store_explicit(&worker->running, service, memory_order_release);
	reef_service_release(service);
	run_deferred(worker);
	/* Before it is retired: the watchdog reads what it finds here. */
	atomic_store_explicit(&worker->running, NULL, memory_order_relaxed);
	atomic_store_explicit(&worker->releasing, false, memory_order_relaxed);
	reef_service_retire(service);
}

/* Runs the service until its mailbox is empty, `left` messages are handled, or its time is up. Returns the cycle counter at
 * the end. */
static inline __attribute__((always_inline)) uint64_t run_slice(struct reef_worker *worker,
																struct reef_service *service, int left) {
	uint64_t start = reef_cycles(), now = start, limit = reef_scheduler_limits.slice;
	uint64_t length = 0;
	bool rested = false;
	reef_world_enter(&worker->inside);
	reef_slice_set_service(service);
	/* Before others can see what runs: the watchdog asks since when. */
	atomic_store_explicit(&service->message_start, start, memory_order_relaxed);
	atomic_store_explicit(&worker->running, service, memory_order_release);
	worker->slices++;
	/* A system call: not for a service whose slices are far from what own_part looks at. */
	if (service->slice_cycles > 2 * reef_scheduler_limits.is_long)
		(void)reef_run_delay_ask(&worker->waited);
	reef_delay_note(worker, service, start);
	if (worker->looking > 0)
		fetch_for_next(worker, service);
	for (;;) {
		struct reef_message *m = reef_mailbox_pop(service);
		if (m == NULL) {
			/* What was written in this slice goes out before anybody else may run the service. */
			run_deferred(worker);
			if (reef_mailbox_fetch(service))
				continue;
			atomic_store_explicit(&worker->running, NULL, memory_order_relaxed);
			length = note_length(worker, service, now - start);
			note_warm(worker, service);
			if (reef_mailbox_rest(service)) {
				rested = true;
				break;
			}
			atomic_store_explicit(&worker->running, service, memory_order_release);
			continue;
		}
		/* The next message's sender is going to be answered. */
		const struct reef_message *next = service->queue;
		if (next && worker->looking > 0) {
			reef_prefetch(next->next);
			reef_send_soon(next->source);
		}
		atomic_store_explicit(&service->message_start, now, memory_order_relaxed);
		unsigned kind = reef_service_kind_of(m);
		atomic_store_explicit(&worker->message, reef_worker_message(m->source, kind), memory_order_relaxed);
		note_progress(worker);
		handle_message(service, m);
		uint64_t end = reef_cycles();
		reef_counter_add(&service->cycles, end - now);
		uint64_t took = end - now;
		now = end;
		if (__builtin_expect(took > atomic_load_explicit(&reef_slow_above, memory_order_relaxed), 0))
			reef_slow_note(service, kind, reef_worker_message_source(worker), took);
		if (reef_service_ending(service) || --left == 0 || now - start > limit)
			break;
	}
	if (!rested) {
		run_deferred(worker);
		atomic_store_explicit(&worker->running, NULL, memory_order_relaxed);
		if (reef_service_ending(service)) {
			release_service(worker, service);
		} else {
			length = note_length(worker, service, now - start);
			if (service->slice_cycles > reef_scheduler_limits.heavy)
				reef_heavy_queue_push(service);
			else
				reef_run_queue_push(&worker->queue, service);
		}
	}
	reef_slice_set_service(NULL);
	reef_world_leave(&worker->inside);
	if (length > reef_scheduler_limits.heavy)
		worker->heavy_due = now + (length < reef_scheduler_limits.share ? length : reef_scheduler_limits.share);
	return now;
}

void reef_worker_slice(struct reef_worker *worker, struct reef_service *service, int messages) {
	run_slice(worker, service, messages);
}

/* ---- finding work ---- */

static struct reef_service *take_own(struct reef_worker *worker) {
	struct reef_service *next = atomic_load_explicit(&worker->next, memory_order_relaxed);
	if (next)
		next = atomic_exchange_explicit(&worker->next, NULL, memory_order_acquire);
	if (next) {
		if (++worker->hand_overs <= HAND_OVERS || reef_run_queue_empty(&worker->queue))
			return next;
		reef_run_queue_push(&worker->queue, next);
	}
	worker->hand_overs = 0;
	return reef_run_queue_pop(&worker->queue);
}

static struct reef_service *steal(struct reef_worker *worker) {
	int n = reef_scheduler_all_workers();
	for (int i = 1; i < n; i++) {
		struct reef_worker *other = reef_scheduler_worker((worker->index + i) % n);
		struct reef_service *service =
				reef_run_queue_empty(&other->queue) ? NULL : reef_run_queue_steal(&worker->queue, &other->queue);
		if (service)
			return service;
	}
	return NULL;
}

static struct reef_service *take_heavy(struct reef_worker *worker) {
	if (reef_heavy_queue_empty() || !reef_scheduler_takes_heavy(worker))
		return NULL;
	return reef_heavy_queue_pop();
}

/* With nothing of its own left: what is anybody's. */
static inline struct reef_service *find_work(struct reef_worker *worker) {
	struct reef_service *service = reef_global_queue_take(&worker->queue);
	if (service == NULL)
		service = steal(worker);
	if (service == NULL)
		service = take_heavy(worker);
	return service;
}

/* Time has passed: those who wait elsewhere may come first, once. */
static struct reef_service *look_beyond(struct reef_worker *worker) {
	struct reef_service *service = NULL;
	worker->late = false;
	worker->hand_overs = HAND_OVERS;
	if (!worker->looked) {
		if (worker->last_poll >= worker->heavy_due)
			service = take_heavy(worker);
		if (service == NULL)
			service = reef_global_queue_pop();
	}
	worker->looked = service != NULL;
	return service;
}

/* Looks around for a moment: another worker that is busy may produce something, and waking up costs more. */
static struct reef_service *spin(struct reef_worker *worker) {
	uint64_t until = reef_cycles() + reef_scheduler_limits.spin;
	if (reef_scheduler_busy_workers() == 0)
		return NULL;
	if (reef_poller_poll(REEF_POLL_LOOK) > 0)
		return take_own(worker);
	struct reef_service *service = NULL;
	reef_scheduler_search_begin();
	while (service == NULL && reef_scheduler_busy_workers() > 0 && reef_cycles() < until) {
		service = find_work(worker);
	}
	reef_scheduler_search_end();
	return service;
}

static void sleep_until_woken(struct reef_worker *worker) {
	reef_epoch_leave();
	while (atomic_load(&worker->wakeup) == 0)
		syscall(SYS_futex, &worker->wakeup, FUTEX_WAIT_PRIVATE, 0, NULL, NULL, 0);
	reef_epoch_enter();
}

static void park(struct reef_worker *worker) {
	reef_scheduler_park_begin(worker);
	/* Work that was published before others could see us in bed is ours to find; and who held the poller may have let
	 * go of it without waiting. */
	if (reef_scheduler_has_work() || !reef_poller_is_held() || reef_scheduler_stopping()) {
		if (reef_scheduler_park_cancel(worker))
			return;
	}
	sleep_until_woken(worker);
}

/* Goes to bed in the middle of work, which is left to others. */
static void give_way(struct reef_worker *worker, bool *busy) {
	reef_scheduler_expose(worker);
	reef_scheduler_set_busy(busy, false);
	reef_scheduler_park_begin(worker);
	/* They may have gone to bed meanwhile. */
	reef_scheduler_wake_one();
	if (reef_scheduler_stopping() && reef_scheduler_park_cancel(worker))
		return;
	sleep_until_woken(worker);
	worker->surplus_since = worker->last_poll = reef_cycles();
}

/* Waits for something to do: as the poller if nobody else is, in bed otherwise. */
static void wait(struct reef_worker *worker) {
	reef_epoch_quiescent();
	reef_epoch_reclaim();
	if (!reef_run_queue_empty(&worker->queue))
		return;
	if (reef_poller_poll(REEF_POLL_BLOCK) >= 0)
		return;
	if (worker->spare)
		atomic_store(&worker->lent, 0); /* somebody else is there */
	else
		park(worker);
}

/* Leaves what it has to others; somebody has to go on polling. */
static void rest(struct reef_worker *worker, bool *busy) {
	reef_scheduler_expose(worker);
	if (*busy)
		reef_scheduler_set_busy(busy, false);
	reef_scheduler_wake_done();
	reef_epoch_leave();
	if (!reef_scheduler_wake_parked())
		reef_scheduler_wake_one();
	reef_spare_rest(worker);
	reef_epoch_enter();
	worker->surplus_since = worker->last_poll = reef_cycles();
}

/* The service that has just run may go on right away: for that one nobody has to come. */
static bool nobody_waits(struct reef_worker *worker, const struct reef_service *ran) {
	const struct reef_service *first = reef_run_queue_peek(&worker->queue, 0);
	return (first == NULL || (first == ran && reef_run_queue_peek(&worker->queue, 1) == NULL)) &&
		   reef_global_queue_empty() && reef_heavy_queue_empty();
}

/* After a slice of `ran`, which may be gone, that ended at `now`. */
static void look_around(struct reef_worker *worker, const struct reef_service *ran, uint64_t now) {
	if (nobody_waits(worker, ran)) {
		worker->surplus_since = now;
	} else if (now - worker->surplus_since > reef_scheduler_limits.surplus) {
		worker->surplus_since = now;
		reef_scheduler_wake_one();
	}
	if (now - worker->last_poll > reef_scheduler_limits.poll) {
		worker->last_poll = now;
		worker->late = true;
		reef_poller_poll(REEF_POLL_LOOK);
	}
}

void reef_worker_run(struct reef_worker *worker) {
	bool busy = false;
	worker->deferred_tail = &worker->deferred;
	/* Spare ones come in the midst of things, and stay: who counts the process' open files would look for a leak. */
	worker->waited.fd = -1;
	if (!worker->spare)
		reef_run_delay_begin(&worker->waited);
	reef_epoch_enter();
	while (!reef_scheduler_stopping()) {
		struct reef_service *service = NULL;
		if (worker->spare && reef_spare_over(worker)) {
			rest(worker, &busy);
			continue;
		}
		if (worker->late)
			service = look_beyond(worker);
		if (service == NULL)
			service = take_own(worker);
		if (service == NULL) {
			service = find_work(worker);
			if (service == NULL && busy) {
				reef_scheduler_set_busy(&busy, false);
				service = spin(worker);
			}
			if (service == NULL) {
				reef_scheduler_wake_done();
				wait(worker);
				worker->surplus_since = worker->last_poll = reef_cycles();
				continue;
			}
		}
		if (!busy) {
			reef_scheduler_set_busy(&busy, true);
			reef_scheduler_wake_done();
			reef_watchdog_notice();
		}
		/* Somebody else must look after sockets and timers meanwhile. */
		if (service->slice_cycles > reef_scheduler_limits.blind && !reef_poller_is_held())
			reef_scheduler_wake_beside();
		bool heavy = service->slice_cycles > reef_scheduler_limits.heavy;
		if (heavy)
			atomic_store_explicit(&worker->heavy, true, memory_order_relaxed);
		uint64_t now = run_slice(worker, service, SLICE_MESSAGES);
		if (heavy)
			atomic_store_explicit(&worker->heavy, false, memory_order_relaxed);
		reef_epoch_quiescent();
		if (reef_epoch_pending() >= RECLAIM_AT)
			reef_epoch_reclaim();
		look_around(worker, service, now);
		if (worker->late && !worker->spare && reef_scheduler_is_crowded())
			give_way(worker, &busy);
	}
	if (busy)
		reef_scheduler_set_busy(&busy, false);
	reef_epoch_leave();
	reef_run_delay_end(&worker->waited);
}
