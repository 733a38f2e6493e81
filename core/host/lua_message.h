/* What the files of Lua functions around messages share: addresses, payloads, protocols on the Lua stack. */
#ifndef REEF_LUA_MESSAGE_H
#define REEF_LUA_MESSAGE_H

#include "core/send.h"
#include "host_private.h"

/* Where a message goes: a handle (0: nobody), or a global name that has to be waited for. */
struct reef_target {
	uint32_t handle;
	const char *global;
};

/* The address at `index`: a number, `:hex`, `.name`, or a global name. Raises for 0, nil and other types. */
struct reef_target reef_check_target(lua_State *L, int index);
/* Takes m as reef_send_offer does, whose type and session are set; the source is this service if it is 0. */
enum reef_offered reef_deliver(struct reef_host *host, struct reef_target target, struct reef_message *m);

/* The protocol that `index` names, by name or number; raises if there is none. */
struct reef_protocol *reef_check_protocol(lua_State *L, int index);
/* A payload at `index`: nil, a string, or a light userdata that the message owns from now on, with its size behind. */
struct reef_message *reef_check_payload(lua_State *L, int index);
/* The values from `first` on through the protocol's pack. */
struct reef_message *reef_pack_with(lua_State *L, const struct reef_protocol *protocol, int first);

#endif
