/* See waiter.h. */
#include "waiter.h"
#include "core/send.h"

#include "core/alloc.h"
#include "core/seam.h"
#include "core/service.h"

void reef_waiter_delete(struct reef_waiter *w) {
	reef_answer_fini(&w->answer);
	reef_free(w);
}

void reef_waiter_drop(struct reef_waiter *w) {
	if (w->done)
		w->done(w->ud, NULL, NULL);
	reef_waiter_delete(w);
}

static void waiter_deliver(struct reef_service *service, struct reef_event *event) {
	(void)service;
	struct reef_waiter *w = (struct reef_waiter *)event;
	if (w->done) {
		w->done(w->ud, &w->answer, w->error);
	} else {
		/* How a socket goes on connecting is the engine's affair. */
		struct reef_seam *seam = reef_seam_leave();
		w->found(w->id, w->answer.items, w->answer.count, w->last, w->error);
		reef_seam_return(seam);
	}
	reef_waiter_delete(w);
}

static void waiter_event_drop(struct reef_event *event) {
	reef_waiter_drop((struct reef_waiter *)event);
}

struct reef_waiter *reef_waiter_new(uint32_t owner) {
	struct reef_waiter *w = reef_calloc(1, sizeof *w);
	w->event = (struct reef_event){.message = {.flags = REEF_MESSAGE_EVENT, .type = REEF_PTYPE_SOCKET},
								   .deliver = waiter_deliver,
								   .drop = waiter_event_drop};
	w->owner = owner;
	return w;
}

void reef_waiter_send(struct reef_waiter *w, const struct reef_answer *answer, bool last, const char *error) {
	w->answer = reef_answer_copy(answer, w->port);
	w->last = last;
	w->error = error;
	if (!reef_send_event(w->owner, &w->event))
		reef_waiter_drop(w);
}
