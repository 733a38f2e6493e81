/* Detached answers: what skynet.response makes. Own slice only. */
#ifndef REEF_RESPONSE_H
#define REEF_RESPONSE_H

#include <stdint.h>

#include <lua.h>

struct reef_host;

/* For Lua: response([pack]) -> function that answers the request of the running coroutine */
int reef_response_new(lua_State *L);
/* `source` is down: nothing is owed to it any more. */
void reef_response_down(struct reef_host *host, uint32_t source);
/* Answers all with errors; the host ends. */
void reef_response_fail_all(struct reef_host *host);

#endif
