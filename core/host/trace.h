/* Tracing: tags that follow a request from service to service, and the lines they leave in the log. */
#ifndef REEF_TRACE_H
#define REEF_TRACE_H

#include <stdbool.h>

#include <lua.h>

#include "target.h"

struct reef_message;
struct reef_protocol;
struct reef_task;

/* The tag that came ahead of a request from m's source is kept for it. */
void reef_trace_announced(struct reef_host *host, const struct reef_message *m);
/* A task begins with a request: it takes the tag that was announced, or one of its own if its protocol is traced. */
void reef_trace_request(struct reef_task *task, const struct reef_protocol *protocol);
/* Logs an event of a task that has a tag (TASK_TAGGED), with where L is if it is not NULL. */
void reef_trace_event(struct reef_task *task, const char *event, lua_State *L);
/* Logs the call and sends the tag ahead of it. */
void reef_trace_call(struct reef_task *task, struct reef_target target, lua_State *L);
/* The task, which has a tag, begins to wait for what `what` says. */
void reef_trace_wait(struct reef_task *task, const char *of, const char *what);
/* What it waited for has come; `failed`: the reason lies on top of its thread. */
void reef_trace_resume(struct reef_task *task, bool failed);
/* The task has raised what lies on top of its thread. */
void reef_trace_failed(struct reef_task *task);
/* The task ends: its tag is forgotten. */
void reef_trace_forget(struct reef_task *task);

/* ---- functions for Lua ---- */
int reef_trace_line(lua_State *L);
int reef_trace_tag(lua_State *L);
int reef_trace_newtag(lua_State *L);
int reef_trace_protocol(lua_State *L);
int reef_trace_context(lua_State *L);
int reef_trace_wire(lua_State *L);

#endif
