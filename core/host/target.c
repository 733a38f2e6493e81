/* Where messages go. Own slice only. */
#include "target.h"
#include "core/name.h"
#include "core/send.h"

#include <lauxlib.h>

#include "core/global.h"
#include "host_private.h"
#include "name_check.h"

inline struct reef_target reef_target_check(lua_State *L, int index) {
	struct reef_target target = {0, NULL};
	if (lua_type(L, index) == LUA_TNUMBER) {
		target.handle = (uint32_t)luaL_checkinteger(L, index);
		if (!target.handle)
			luaL_error(L, "Invalid service address 0");
		return target;
	}
	const char *name = reef_check_name(L, index);
	if (name[0] == ':' || name[0] == '.')
		target.handle = reef_address_parse(name);
	else if (!(target.handle = reef_global_find(name)))
		target.global = name;
	return target;
}

inline enum reef_offered reef_target_deliver(struct reef_host *host, struct reef_target target,
											 struct reef_message *m) {
	if (!m->source)
		m->source = host->handle;
	if (target.global)
		return reef_global_send(target.global, m) ? REEF_OFFER_TAKEN : REEF_OFFER_NOBODY;
	if (target.handle)
		return reef_send_offer(target.handle, m);
	reef_message_free(m);
	return REEF_OFFER_NOBODY;
}
