/* See requests.h. */
#include "requests.h"

#include <lauxlib.h>

#include "core/clock.h"

/* ---- failures ---- */

void reef_requests_fail(struct reef_requests *r, struct reef_task *task, const char *code, const char *outcome,
						const char *command, uint64_t since_ns, const char *why) {
	uint64_t now = reef_now_ns();
	const struct reef_failure failure = {
			.code = code,
			.outcome = outcome,
			.command = command,
			.why = why,
			.waited = now > since_ns ? (double)(now - since_ns) / 1e9 : 0,
			.in_flight = r->pending.requests - r->pending.tombstones,
			.unsent = reef_channel_unsent(&r->channel),
	};
	r->protocol->fail(r, task, &failure);
}

/* ---- deadlines ---- */

static uint64_t requests_due(struct reef_deadline *deadline, uint64_t until_ns) {
	struct reef_requests *r = (struct reef_requests *)((char *)deadline - offsetof(struct reef_requests, deadline));
	struct reef_request *request = r->pending.head;
	uint64_t newest_ns = 0;
	while ((request = reef_pending_due(request, until_ns)) != NULL) {
		struct reef_task *task = request->task;
		reef_pending_bury(request);
		if (request->sent_ns > newest_ns)
			newest_ns = request->sent_ns;
		reef_requests_fail(r, task, "timeout", "maybe applied", request->command, request->sent_ns, "no reply in time");
	}
	if (r->listener && r->listener_deadline_ns <= until_ns)
		reef_requests_fail(r, reef_requests_heard(r), "timeout", "not sent", r->protocol->listening,
						   r->listener_since_ns, "no message in time");
	if (newest_ns > 0 && reef_channel_missed(&r->channel, newest_ns))
		return REEF_NO_DEADLINE;
	if (r->pending.tombstones > r->max_tombstones)
		reef_channel_close(&r->channel, REEF_CHANNEL_SILENT, "too many requests without a reply in time");
	uint64_t nearest = reef_pending_nearest(&r->pending);
	return r->listener && r->listener_deadline_ns < nearest ? r->listener_deadline_ns : nearest;
}

/* ---- life ---- */

void reef_requests_init(struct reef_requests *r, lua_State *L, const struct reef_channel_protocol *channel,
						const struct reef_requests_protocol *protocol) {
	reef_channel_init(&r->channel, channel);
	r->protocol = protocol;
	r->host = reef_host_of(L);
	r->failure = LUA_NOREF;
	r->grain_ns = reef_deadline_grain();
	r->max_tombstones = SIZE_MAX;
	reef_pending_init(&r->pending);
	reef_deadline_init(&r->deadline, r->host, requests_due, &r->channel.bytes_in);
}

void reef_requests_fini(struct reef_requests *r) {
	reef_pending_fini(&r->pending);
}

void reef_requests_end(struct reef_requests *r, enum reef_channel_end end, uint64_t sent) {
	const char *code = r->protocol->codes[end], *why = r->channel.lost;
	reef_deadline_fini(&r->deadline);
	for (struct reef_request *request = r->pending.head; request; request = request->next) {
		if (request->task) {
			struct reef_task *task = request->task;
			reef_pending_bury(request);
			reef_requests_fail(r, task, code, request->position >= sent ? "not sent" : "maybe applied",
							   request->command, request->sent_ns, why);
		}
	}
	while (r->pending.head) {
		if (r->protocol->dropped)
			r->protocol->dropped(r, r->pending.head);
		reef_pending_pop(&r->pending);
	}
	struct reef_task *task = reef_requests_heard(r);
	if (task)
		reef_requests_fail(r, task, code, "maybe applied", r->protocol->listening, r->listener_since_ns, why);
}

void reef_requests_cancelled(struct reef_channel *c, struct reef_task *task) {
	struct reef_requests *r = (struct reef_requests *)c;
	if (r->listener == task)
		r->listener = NULL;
}

/* ---- requests ---- */

struct reef_request *reef_requests_add(struct reef_requests *r, struct reef_task *task, const char *command,
									   size_t replies, size_t size, uint64_t timeout_ns) {
	struct reef_request *request = reef_pending_add(&r->pending, task, replies);
	request->command = command;
	request->wait.of = r->protocol->name;
	request->wait.what = command;
	request->position = r->channel.gathered - size;
	request->sent_ns = reef_deadline_clock();
	request->ref = LUA_NOREF;
	r->asked++;
	if (timeout_ns > 0) {
		request->deadline_ns = request->sent_ns + r->grain_ns + timeout_ns;
		reef_deadline_arm(&r->deadline, request->deadline_ns);
	}
	return request;
}

void reef_requests_listen(struct reef_requests *r, struct reef_task *task, uint64_t timeout_ns) {
	r->listener = task;
	r->listener_since_ns = reef_now_ns();
	r->listener_deadline_ns = timeout_ns > 0 ? r->listener_since_ns + timeout_ns : REEF_NO_DEADLINE;
	r->channel.wait.what = r->protocol->listening;
	reef_deadline_arm(&r->deadline, r->listener_deadline_ns);
}

struct reef_task *reef_requests_heard(struct reef_requests *r) {
	struct reef_task *task = r->listener;
	r->listener = NULL;
	return task;
}
