/* See pending.h: a singly linked queue with a list of spare nodes. */
#include "pending.h"

#include "core/alloc.h"

static void pending_cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct reef_request *request = (struct reef_request *)wait;
	(void)task;
	struct reef_pending *pending = request->pending;
	reef_pending_bury(request);
	if (pending->abandoned)
		pending->abandoned(pending, request);
}

void reef_pending_init(struct reef_pending *pending) {
	*pending = (struct reef_pending){0};
	pending->tail = &pending->head;
}

static void pending_free_list(struct reef_request *request) {
	while (request) {
		struct reef_request *next = request->next;
		reef_free(request);
		request = next;
	}
}

void reef_pending_fini(struct reef_pending *pending) {
	pending_free_list(pending->head);
	pending_free_list(pending->spare);
	reef_pending_init(pending);
}

struct reef_request *reef_pending_add(struct reef_pending *pending, struct reef_task *task, size_t replies) {
	struct reef_request *request = pending->spare;
	if (request)
		pending->spare = request->next;
	else
		request = reef_malloc(sizeof(*request));
	*request = (struct reef_request){
			.wait = {.cancel = pending_cancelled},
			.pending = pending,
			.task = task,
			.deadline_ns = REEF_NO_DEADLINE,
			.replies = replies,
	};
	*pending->tail = request;
	pending->tail = &request->next;
	pending->requests++;
	if (task == NULL)
		pending->tombstones++;
	return request;
}

void reef_pending_pop(struct reef_pending *pending) {
	struct reef_request *request = pending->head;
	pending->head = request->next;
	if (pending->head == NULL)
		pending->tail = &pending->head;
	pending->requests--;
	if (request->task == NULL)
		pending->tombstones--;
	request->next = pending->spare;
	pending->spare = request;
}

void reef_pending_bury(struct reef_request *request) {
	if (request->task) {
		request->task = NULL;
		request->pending->tombstones++;
	}
}

struct reef_request *reef_pending_due(struct reef_request *from, uint64_t now_ns) {
	while (from && (from->task == NULL || from->deadline_ns > now_ns))
		from = from->next;
	return from;
}

uint64_t reef_pending_nearest(const struct reef_pending *pending) {
	uint64_t nearest = REEF_NO_DEADLINE;
	for (const struct reef_request *r = pending->head; r; r = r->next) {
		if (r->task && r->deadline_ns < nearest)
			nearest = r->deadline_ns;
	}
	return nearest;
}
