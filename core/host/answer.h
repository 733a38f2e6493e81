/* What a service owes to those that asked it. Own slice only. */
#ifndef REEF_ANSWER_H
#define REEF_ANSWER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_host;
struct reef_message;
struct reef_task;

/* Answers the request of that session and source with m, which is taken. False: nobody is there any more. */
bool reef_answer_send(struct reef_host *host, int32_t session, uint32_t source, struct reef_message *m);
/* Answers a task's request with PTYPE_ERROR if it still owes an answer. The reason may be NULL, with the size 0. */
void reef_answer_error(struct reef_task *task, const char *reason, size_t size);
/* The request is answered, or passed on to another service. */
void reef_answer_settled(struct reef_host *host, uint32_t source, int32_t session);
/* Nobody in the service will answer that request: with an error now if it is lost, at the service's end otherwise. */
void reef_answer_left_open(struct reef_host *host, uint32_t source, int32_t session, int type);

#endif
