/* What a service owes to those that asked it: every request is answered, passed on, or noted as a debt that is settled
 * with an error at the service's end. Own slice only. */
#include "answer.h"
#include "core/send.h"

#include "host_private.h"

void reef_answer_settled(struct reef_host *host, uint32_t source, int32_t session) {
	struct reef_task *task = host->running;
	if (task && task->session == session && task->source == source)
		task->flags |= TASK_PASSED_ON;
	if (host->raw_session == session && host->raw_source == source)
		host->raw_session = 0;
	reef_debts_remove(&host->debts, source, session);
}

void reef_answer_left_open(struct reef_host *host, uint32_t source, int32_t session, int type) {
	if (session == host->lost_session && source == host->lost_source)
		reef_send_error(host->handle, source, session, "it was redirected to a service that does not exist");
	else
		reef_debts_add(&host->debts, source, session, type);
}

void reef_answer_error(struct reef_task *task, const char *reason, size_t size) {
	if (task->flags & TASK_OWES && task->session)
		reef_send_error_bytes(task->host->handle, task->source, task->session, reason, size);
	task->flags &= (uint8_t)~TASK_OWES;
}

bool reef_answer_send(struct reef_host *host, int32_t session, uint32_t source, struct reef_message *m) {
	m->type = REEF_PTYPE_RESPONSE;
	m->session = session;
	m->source = host->handle;
	return reef_send(source, m);
}
