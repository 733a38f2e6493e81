/* One message to many services, for Lua. What is not small is in memory once, and shared by all that have not handled it
 * yet. Own slice only. */
#include "lua_publish.h"
#include "core/send.h"

#include <lauxlib.h>
#include <string.h>

#include "core/seam.h"
#include "core/service.h"

#define SMALL 512 /* bytes that are copied sooner than counted */

static struct reef_message *copy_of(const char *data, size_t size, struct reef_payload *payload) {
	if (payload)
		return reef_payload_message(payload);
	struct reef_message *m = reef_message_try_new(size);
	if (m)
		memcpy(m->data, data, size);
	return m;
}

/* publish(list, source, type, session, message) -> the handles of the list that nobody has, or nil
 * A service whose mailbox is full goes without. */
int reef_lua_publish(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	uint32_t source = (uint32_t)luaL_checkinteger(L, 2);
	lua_Integer type = luaL_checkinteger(L, 3);
	luaL_argcheck(L, type >= 0 && type <= 255, 3, "no message type");
	lua_Integer session = luaL_checkinteger(L, 4);
	size_t size;
	const char *data = luaL_checklstring(L, 5, &size);
	lua_settop(L, 5);
	lua_Integer n = luaL_len(L, 1);
	/* Nothing that is counted may be held when Lua raises: so the handles are looked at first. */
	for (lua_Integer i = 1; i <= n; i++) {
		if (lua_rawgeti(L, 1, i) != LUA_TNUMBER)
			return luaL_error(L, "publish: item %I is no handle", (LUAI_UACINT)i);
		lua_pop(L, 1);
	}
	struct reef_payload *payload = NULL;
	if (size > SMALL && !(payload = reef_payload_new(data, size)))
		return luaL_error(L, "not enough memory for a message of %I bytes", (LUAI_UACINT)size);
	lua_Integer sent = 0, first_gone = 0, gone = 0;
	for (; sent < n; sent++) {
		lua_rawgeti(L, 1, sent + 1);
		uint32_t handle = (uint32_t)lua_tointeger(L, -1);
		lua_pop(L, 1);
		struct reef_message *m = copy_of(data, size, payload);
		if (!m)
			break;
		m->type = (uint8_t)type;
		m->session = (int32_t)session;
		m->source = source;
		if (reef_send_offer(handle, m) == REEF_OFFER_NOBODY) {
			gone++;
			if (!first_gone)
				first_gone = sent + 1;
		}
	}
	if (payload)
		reef_payload_release(payload);
	if (sent < n)
		return luaL_error(L, "not enough memory: %I of %I services have the message", (LUAI_UACINT)sent,
						  (LUAI_UACINT)n);
	if (gone == 0)
		return 0;
	lua_createtable(L, 1, 0);
	lua_Integer found = 0;
	for (lua_Integer i = first_gone; i <= n; i++) {
		lua_rawgeti(L, 1, i);
		if (reef_seam_number(REEF_SEAM_STATE, reef_service_alive((uint32_t)lua_tointeger(L, -1))))
			lua_pop(L, 1);
		else
			lua_rawseti(L, -2, ++found);
	}
	return 1;
}
