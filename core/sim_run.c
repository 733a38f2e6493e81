/* See sim_run.h. One worker that is no thread of its own. Of the services that have messages one is drawn, and how many
 * messages it handles before the next is drawn; mostly one, so that all orders come about that several workers could bring
 * about. What a service is sent by one sender stays in order, since mailboxes are what they always are. When nobody has a
 * message, time goes on to the next timer, or to what the network brings.
 */
#include "sim_run.h"

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "alloc.h"
#include "array.h"
#include "end.h"
#include "epoch.h"
#include "log_writer.h"
#include "mailbox.h"
#include "run_queue.h"
#include "scheduler.h"
#include "service_life.h"
#include "service_private.h"
#include "sim.h"
#include "slice.h"
#include "timer.h"
#include "worker.h"
#include "worker_private.h"
#include "world.h"

#define MANY 16        /* messages that a slice handles at most, */
#define SELDOM 8       /* if it is one of so many: else it is one */
#define SLICE_NS 20000 /* what a slice takes at most */
#define RECLAIM_AT 64  /* retired objects */

static struct REEF_ARRAY(struct reef_service *) ready;

static void add_ready(struct reef_service *service) {
	struct reef_service **place = reef_array_add(&ready);
	if (place == NULL)
		reef_alloc_give_up(sizeof service);
	*place = service;
}

/* Whoever was scheduled since, from wherever he stands. */
static void gather_ready(struct reef_worker *worker) {
	struct reef_service *service;
	reef_scheduler_expose(worker);
	while ((service = reef_global_queue_pop()) != NULL)
		add_ready(service);
}

static struct reef_service *draw_service(void) {
	size_t i = (size_t)reef_sim_below(REEF_SIM_ORDER, ready.count);
	struct reef_service *service = ready.items[i];
	ready.items[i] = ready.items[--ready.count];
	return service;
}

/* The next message is part of what the fingerprint covers. */
static void note_message(const struct reef_service *service, struct reef_message *m) {
	reef_sim_count_message();
	reef_sim_note_number(reef_sim_now());
	reef_sim_note_number(service->handle);
	reef_sim_note_number(reef_service_kind_of(m));
	if (m->flags & REEF_MESSAGE_EVENT)
		return;
	reef_sim_note_number((uint64_t)m->type << 32 | m->source);
	reef_sim_note_number((uint64_t)m->session << 32 ^ m->size);
	size_t size = m->size;
	const void *bytes = m->flags & REEF_MESSAGE_SHARED ? reef_payload_bytes(m->data, &size) : m->data;
	reef_sim_note(bytes, size);
}

static void run_one(struct reef_worker *worker) {
	struct reef_service *service = draw_service();
	if (!reef_mailbox_fetch(service)) {
		reef_worker_slice(worker, service, 1);
		return;
	}
	int most = reef_sim_below(REEF_SIM_ORDER, SELDOM) == 0 ? 1 + (int)reef_sim_below(REEF_SIM_ORDER, MANY) : 1, n = 0;
	uint64_t spent = 1 + reef_sim_below(REEF_SIM_ORDER, SLICE_NS);
	/* What has come by now; what comes meanwhile has its own turn. */
	for (struct reef_message *m = service->queue; m != NULL && n < most; m = m->next, n++)
		note_message(service, m);
	reef_worker_slice(worker, service, n);
	reef_sim_advance_to(reef_sim_now() + spent);
	reef_epoch_quiescent();
	if (reef_epoch_pending() >= RECLAIM_AT)
		reef_epoch_reclaim();
}

static uint64_t abort_at; /* of an end in order that takes too long */

/* What bounds the wait for it is the time that a run may take. */
static void write_log(void) {
	reef_log_writer_finish(UINT64_MAX);
}

static void check_end(void) {
	if (reef_end_go_on(&abort_at)) {
		if (reef_end_exit_code() != 0)
			reef_sim_end(REEF_SIM_FAILED, "it did not end in order: the log says why");
		reef_sim_end_by_itself();
	}
	if (reef_sim_now() >= reef_sim_until())
		reef_sim_end_by_itself();
}

/* Nobody has anything to do: time goes on. */
static void wait_for_next(void) {
	uint64_t timer = reef_timer_next(), event = reef_sim_next(), next = timer < event ? timer : event;
	if (abort_at < next)
		next = abort_at;
	if (next == UINT64_MAX)
		reef_sim_end_of_events();
	reef_sim_advance_to(next < reef_sim_until() ? next : reef_sim_until());
}

_Noreturn void reef_sim_run(void) {
	reef_sim_before_end(write_log);
	reef_scheduler_init(1);
	reef_world_init();
	struct reef_worker *worker = reef_scheduler_add_worker();
	worker->deferred_tail = &worker->deferred;
	reef_slice_set_worker(worker);
	reef_epoch_enter();
	for (;;) {
		reef_timer_expire(reef_sim_now());
		reef_sim_run_due();
		gather_ready(worker);
		check_end();
		if (ready.count > 0)
			run_one(worker);
		else
			wait_for_next();
	}
}
