/* Where messages go: an address as Lua gives it, and delivery there. Own slice only. */
#ifndef REEF_TARGET_H
#define REEF_TARGET_H

#include <stdint.h>

#include <lua.h>

#include "core/message.h"

struct reef_host;

/* A handle (0: nobody), or a global name that has to be waited for. */
struct reef_target {
	uint32_t handle;
	const char *global;
};

/* The address at `index`: a number, `:hex`, `.name`, or a global name. Raises for 0, nil and other types. */
struct reef_target reef_target_check(lua_State *L, int index);
/* Takes m as reef_send_offer does, whose type and session are set; the source is this service if it is 0. */
enum reef_offered reef_target_deliver(struct reef_host *host, struct reef_target target, struct reef_message *m);

#endif
