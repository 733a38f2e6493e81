/* Functions of the user's that the dispatcher calls outside any coroutine. Own slice only. */
#ifndef REEF_HOOK_H
#define REEF_HOOK_H

#include <stdbool.h>

#include <lua.h>

struct reef_host;
struct reef_message;

/* Calls the function that lies on host->L with that many arguments; what it raises joins the turn's report: false. */
bool reef_hook_call(struct reef_host *host, int arguments);
/* Nothing handles m: calls the hook for that, or `otherwise` if there is none (0). */
void reef_hook_unknown(struct reef_host *host, int hook, lua_CFunction otherwise, const struct reef_message *m);
/* What is done without a hook: log the message, and raise. Whoever sets a hook may hand on to it. */
int reef_hook_unknown_request(lua_State *L);
int reef_hook_unknown_response(lua_State *L);

#endif
