/* What went wrong in a turn: gathered, and written to the log when the turn ends. Own slice only. */
#ifndef REEF_REPORT_H
#define REEF_REPORT_H

#include <stddef.h>

#include <lua.h>

struct reef_host;
struct reef_message;

/* The error on top of `failed`, with its traceback, joins the report; the message alone is left on host->L as a string. */
void reef_report_add(struct reef_host *host, lua_State *failed);
/* Writes the report to the log. `m`, which the turn handled, may be NULL. */
void reef_report_flush(struct reef_host *host, const struct reef_message *m);
/* An error that nobody caught has been logged: whoever records the service hears of it. */
void reef_report_logged(struct reef_host *host);
/* What is in it; NULL: nothing. */
const char *reef_report_text(const struct reef_host *host, size_t *size);

#endif
