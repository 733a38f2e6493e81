/* See stacks.h. What waits is a struct on its own stack, in a list and, when it awaits a reply, in a map by session. A session
 * that nobody awaits any more stays in the map until its reply comes, so that the callback does not get it. There is one timer,
 * moved only when somebody would have to go on before it. */
#include "stacks.h"

#include <string.h>

#include "alloc.h"
#include "clock.h"
#include "fiber.h"
#include "message.h"
#include "ptrmap.h"
#include "send.h"
#include "service.h"
#include "timer.h"

#define CS_NS 10000000u

struct stack_wait {
	struct stack_wait *next, **before;
	struct reef_fiber *fiber;
	uint64_t deadline_ns; /* UINT64_MAX: none */
	uint32_t dest;        /* 0: a sleep */
	int32_t session;
	enum reef_called outcome;
	struct reef_reply reply;
};

struct reef_stacks {
	struct reef_fiber_pool pool;
	struct reef_ptrmap sessions; /* to a stack_wait, or `nobody` */
	struct stack_wait *first;
	uint64_t timer_ns; /* when the timer is due; 0: none */
	bool ending;
};

static struct stack_wait nobody;

static const void *key_of(int32_t session) {
	return (const void *)(uintptr_t)(uint32_t)session;
}

struct reef_stacks *reef_stacks_new(size_t size) {
	struct reef_stacks *stacks = reef_calloc(1, sizeof *stacks);
	stacks->pool.size = size;
	reef_ptrmap_init(&stacks->sessions);
	return stacks;
}

/* ---- callbacks ---- */

struct delivery {
	struct reef_service *service;
	skynet_cb callback;
	void *ud;
	void *data;
	size_t size;
	int type, session;
	uint32_t source;
};

/* On the new stack, first of all: its caller's frame is gone when it goes on after a wait. */
static void stacks_deliver(void *ud) {
	struct delivery d = *(struct delivery *)ud;
	if (d.callback((struct skynet_context *)d.service, d.ud, d.type, d.session, d.source, d.data, d.size) == 0)
		reef_free(d.data);
}

bool reef_stacks_run(struct reef_stacks *stacks, struct reef_service *service, skynet_cb callback, void *ud,
					 const struct reef_message *m, void *data, size_t size) {
	struct delivery d = {service, callback, ud, data, size, m->type, m->session, m->source};
	struct reef_fiber *fiber = reef_fiber_take(&stacks->pool, stacks_deliver, &d);
	if (fiber == NULL)
		return false;
	reef_fiber_resume(&stacks->pool, fiber);
	return true;
}

/* ---- waiting ---- */

static void stacks_go_on(struct reef_stacks *stacks, struct stack_wait *w, enum reef_called outcome) {
	*w->before = w->next;
	if (w->next)
		w->next->before = w->before;
	w->outcome = outcome;
	reef_fiber_resume(&stacks->pool, w->fiber);
}

static void stacks_set_timer(struct reef_stacks *stacks, struct reef_service *service, uint64_t deadline_ns) {
	if (deadline_ns == UINT64_MAX || (stacks->timer_ns && stacks->timer_ns <= deadline_ns))
		return;
	int32_t session = reef_service_new_session(service);
	if (!reef_ptrmap_put(&stacks->sessions, key_of(session), stacks))
		reef_alloc_give_up(sizeof *stacks);
	stacks->timer_ns = deadline_ns;
	reef_timer_add(reef_service_handle(service), session, deadline_ns);
}

static enum reef_called stacks_wait(struct reef_stacks *stacks, struct reef_service *service, struct stack_wait *w) {
	w->before = &stacks->first;
	w->next = stacks->first;
	if (w->next)
		w->next->before = &w->next;
	stacks->first = w;
	stacks_set_timer(stacks, service, w->deadline_ns);
	reef_fiber_park(w->fiber);
	return w->outcome;
}

static uint64_t deadline_of(int time) {
	return time < 0 ? UINT64_MAX : reef_now_ns() + (uint64_t)time * CS_NS;
}

enum reef_called reef_stacks_sleep(struct reef_stacks *stacks, struct reef_service *service, int time) {
	struct stack_wait w = {.fiber = reef_fiber_current(), .deadline_ns = deadline_of(time < 0 ? 0 : time)};
	if (w.fiber == NULL)
		return REEF_CALL_OUTSIDE;
	if (stacks->ending || reef_service_ending(service))
		return REEF_CALL_ENDING;
	enum reef_called outcome = stacks_wait(stacks, service, &w);
	return outcome == REEF_CALL_LATE ? REEF_CALL_DONE : outcome;
}

enum reef_called reef_stacks_call(struct reef_stacks *stacks, struct reef_service *service, uint32_t dest, int type,
								  const void *data, size_t size, int timeout, struct reef_reply *reply) {
	struct stack_wait w = {.fiber = reef_fiber_current(), .dest = dest, .deadline_ns = deadline_of(timeout)};
	if (reply)
		*reply = (struct reef_reply){.data = NULL};
	if (w.fiber == NULL)
		return REEF_CALL_OUTSIDE;
	if (stacks->ending || reef_service_ending(service))
		return REEF_CALL_ENDING;
	struct reef_message *m = reef_message_try_new(size);
	w.session = reef_service_new_session(service);
	if (m == NULL || !reef_ptrmap_put(&stacks->sessions, key_of(w.session), &w)) {
		if (m)
			reef_message_free(m);
		return REEF_CALL_NOBODY;
	}
	if (size > 0)
		memcpy(m->data, data, size);
	m->source = reef_service_handle(service);
	m->type = (uint8_t)type;
	m->session = w.session;
	if (reef_send_offer(dest, m) != REEF_OFFER_TAKEN) {
		reef_ptrmap_remove(&stacks->sessions, key_of(w.session));
		return REEF_CALL_NOBODY;
	}
	enum reef_called outcome = stacks_wait(stacks, service, &w);
	if (outcome == REEF_CALL_LATE && !reef_ptrmap_put(&stacks->sessions, key_of(w.session), &nobody))
		reef_alloc_give_up(sizeof w);
	if (reply)
		*reply = w.reply;
	else
		reef_free(w.reply.data);
	return outcome;
}

/* ---- what they wait for ---- */

static void stacks_look_at_time(struct reef_stacks *stacks, struct reef_service *service) {
	uint64_t now = reef_now_ns(), next = UINT64_MAX;
	stacks->timer_ns = 0;
	struct stack_wait *w = stacks->first;
	while (w) {
		if (w->deadline_ns <= now) {
			stacks_go_on(stacks, w, REEF_CALL_LATE);
			/* It may have begun and ended other waits. */
			w = stacks->first;
			next = UINT64_MAX;
			continue;
		}
		if (w->deadline_ns < next)
			next = w->deadline_ns;
		w = w->next;
	}
	stacks_set_timer(stacks, service, next);
}

bool reef_stacks_answer(struct reef_stacks *stacks, struct reef_service *service, struct reef_message *m) {
	if ((m->type != REEF_PTYPE_RESPONSE && m->type != REEF_PTYPE_ERROR) || m->session == 0)
		return false;
	void *found = reef_ptrmap_remove(&stacks->sessions, key_of(m->session));
	if (found == NULL)
		return false;
	if (found == stacks) {
		stacks_look_at_time(stacks, service);
	} else if (found != &nobody) {
		struct stack_wait *w = found;
		w->reply.size = m->size;
		w->reply.data = reef_message_take(m);
		stacks_go_on(stacks, w, m->type == REEF_PTYPE_ERROR ? REEF_CALL_FAILED : REEF_CALL_DONE);
	}
	return true;
}

void reef_stacks_down(struct reef_stacks *stacks, uint32_t handle) {
	struct stack_wait *w = stacks->first;
	while (w) {
		struct stack_wait *next = w->next;
		if (w->dest == handle) {
			/* What it has sent before may still lie in the mailbox. */
			if (!reef_ptrmap_put(&stacks->sessions, key_of(w->session), &nobody))
				reef_alloc_give_up(sizeof *w);
			stacks_go_on(stacks, w, REEF_CALL_FAILED);
			next = stacks->first;
		}
		w = next;
	}
}

void reef_stacks_end(struct reef_stacks *stacks) {
	stacks->ending = true;
	while (stacks->first)
		stacks_go_on(stacks, stacks->first, REEF_CALL_ENDING);
	reef_fiber_pool_fini(&stacks->pool);
	reef_ptrmap_fini(&stacks->sessions);
	reef_free(stacks);
}
