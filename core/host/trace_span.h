/* The spans of a traced task: the request that it handles, and what it waits for meanwhile. They are kept beside its tag, of
 * tasks that were picked only. Own slice. */
#ifndef REEF_TRACE_SPAN_H
#define REEF_TRACE_SPAN_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_host;
struct reef_task;

/* What goes ahead of a request, behind the tag and a zero byte. */
struct reef_trace_carried {
	uint64_t trace[2], parent, sent_ns;
	uint8_t quiet, remote;
};

/* The task's request begins a trace, or with `carried` goes on with one. `quiet`: it leaves no lines in the log. */
void reef_trace_span_begin(struct reef_task *task, const struct reef_trace_carried *carried, bool quiet);
/* Does it leave no lines in the log? */
bool reef_trace_span_is_quiet(struct reef_task *task);
/* The task begins to wait: for `peer`, or for what the words say, of which the first may be NULL. */
void reef_trace_span_wait(struct reef_task *task, const char *of, const char *what, uint32_t peer);
/* What it waited for has come, or has failed; nothing if it waits for nothing. */
void reef_trace_span_resume(struct reef_task *task, const char *error, size_t size);
/* What is to be carried to whom the task asks now. False: it was not picked. */
bool reef_trace_span_carry(struct reef_task *task, struct reef_trace_carried *carried);
/* The request is over. `error`: NULL if all went well. */
void reef_trace_span_end(struct reef_task *task, const char *error, size_t size);

#endif
