/* Functions for Lua that send messages, and those between values and their bytes. Own slice only. */
#include "lua_message.h"
#include "core/send.h"

#include <lauxlib.h>

#include "answer.h"
#include "core/alloc.h"
#include "host_private.h"
#include "pack.h"
#include "payload.h"
#include "protocol.h"
#include "target.h"
#include "unpack.h"

/* ---- sending ---- */

/* false: the mailbox is full. */
static int push_sent(lua_State *L, enum reef_offered offered) {
	if (offered == REEF_OFFER_TAKEN)
		lua_pushinteger(L, 0);
	else if (offered == REEF_OFFER_FULL)
		lua_pushboolean(L, 0);
	else
		lua_pushnil(L);
	return 1;
}

static int send_without_session(lua_State *L, struct reef_target target, uint8_t type, struct reef_message *m) {
	m->type = type;
	m->session = 0;
	m->source = 0;
	return push_sent(L, reef_target_deliver(reef_host_get(L), target, m));
}

/* send(addr, type, ...) */
int reef_lua_message_send(lua_State *L) {
	struct reef_target target = reef_target_check(L, 1);
	const struct reef_protocol *protocol = reef_protocol_check(L, 2);
	uint8_t type = protocol->id; /* packing may run code that changes it */
	return send_without_session(L, target, type, reef_payload_pack(L, protocol, 3));
}

/* rawsend(addr, type, msg [, sz]) */
int reef_lua_message_rawsend(lua_State *L) {
	struct reef_target target = reef_target_check(L, 1);
	uint8_t type = reef_protocol_check(L, 2)->id;
	return send_without_session(L, target, type, reef_payload_check(L, 3));
}

/* redirect(dest, source, type, session, msg [, sz]). Source 0 is the sender itself, as for every message. */
int reef_lua_message_redirect(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	struct reef_target target = reef_target_check(L, 1);
	bool is_self = lua_isinteger(L, 2) && lua_tointeger(L, 2) == 0;
	uint32_t source = is_self ? 0 : reef_target_check(L, 2).handle;
	lua_Integer type = lua_isinteger(L, 3) ? lua_tointeger(L, 3) : reef_protocol_check(L, 3)->id;
	luaL_argcheck(L, type >= 0 && type <= 255, 3, "no message type");
	lua_Integer session = luaL_checkinteger(L, 4);
	struct reef_message *m = reef_payload_check(L, 5);
	m->type = (uint8_t)type;
	m->session = (int32_t)session;
	m->source = source;
	bool delivered = reef_target_deliver(host, target, m);
	if (delivered && session > 0) {
		bool reply = type == REEF_PTYPE_RESPONSE || type == REEF_PTYPE_ERROR;
		reef_answer_settled(host, reply ? target.handle : source, (int32_t)session);
	} else if (session > 0) {
		host->lost_source = source;
		host->lost_session = (int32_t)session;
	}
	return push_sent(L, delivered);
}

/* ---- payloads ---- */

int reef_lua_message_pack(lua_State *L) {
	size_t size;
	lua_pushlightuserdata(L, reef_pack(L, 1, &size));
	lua_pushinteger(L, (lua_Integer)size);
	return 2;
}

int reef_lua_message_packstring(lua_State *L) {
	reef_pack_string(L, 1);
	return 1;
}

static const void *bytes_argument(lua_State *L, size_t *size) {
	*size = 0;
	if (lua_isnoneornil(L, 1))
		return NULL;
	if (lua_type(L, 1) == LUA_TSTRING)
		return lua_tolstring(L, 1, size);
	luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
	lua_Integer n = luaL_checkinteger(L, 2);
	luaL_argcheck(L, n >= 0, 2, "negative size");
	*size = (size_t)n;
	return lua_touserdata(L, 1);
}

int reef_lua_message_unpack(lua_State *L) {
	size_t size;
	const void *data = bytes_argument(L, &size);
	if (!data)
		return 0;
	int n = reef_unpack(L, data, size);
	return n < 0 ? lua_error(L) : n;
}

int reef_lua_message_tostring(lua_State *L) {
	size_t size;
	const void *data = bytes_argument(L, &size);
	if (!data)
		return 0;
	lua_pushlstring(L, data, size);
	return 1;
}

int reef_lua_message_trash(lua_State *L) {
	if (lua_type(L, 1) == LUA_TLIGHTUSERDATA)
		reef_free(lua_touserdata(L, 1));
	return 0;
}
