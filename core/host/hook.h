/* Functions of the user's that the dispatcher calls outside any coroutine. Own slice only. */
#ifndef REEF_HOOK_H
#define REEF_HOOK_H

#include <stdbool.h>

struct reef_host;
struct reef_message;

/* Calls the function that lies on host->L with that many arguments; what it raises joins the turn's report: false. */
bool reef_hook_call(struct reef_host *host, int arguments);
/* Nothing handles m: calls the hook for that, or logs `what` and the message if there is none (0). */
void reef_hook_unknown(struct reef_host *host, int hook, const char *what, const struct reef_message *m);

#endif
