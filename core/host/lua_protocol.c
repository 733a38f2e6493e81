/* Functions for Lua around protocols: what packs, unpacks and handles a type of messages. Own slice only. */
#include "lua_protocol.h"

#include <lauxlib.h>
#include <string.h>

#include "dispatch.h"
#include "hook.h"
#include "host_private.h"
#include "lua_message.h"
#include "name_check.h"
#include "protocol.h"
#include "task.h"

/* Puts the value on top of the stack behind a registry reference, which is made when there is none; nil takes it away. */
static void set_reference(lua_State *L, int *reference) {
	if (lua_isnil(L, -1)) {
		lua_pop(L, 1);
		luaL_unref(L, LUA_REGISTRYINDEX, *reference ? *reference : LUA_NOREF);
		*reference = 0;
	} else if (*reference) {
		lua_rawseti(L, LUA_REGISTRYINDEX, *reference);
	} else {
		*reference = luaL_ref(L, LUA_REGISTRYINDEX);
	}
}

static void push_reference(lua_State *L, int reference) {
	if (reference)
		lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
	else
		lua_pushnil(L);
}

/* What the function in that field of the table at 1 means, and a reference to it. */
static uint8_t take_codec(lua_State *L, const char *field, lua_CFunction builtin, int *reference) {
	lua_getfield(L, 1, field);
	uint8_t codec = CODEC_USER;
	if (lua_isnil(L, -1))
		codec = CODEC_NONE;
	else if (lua_tocfunction(L, -1) == builtin)
		codec = CODEC_LUA;
	else if (lua_tocfunction(L, -1) == reef_lua_message_tostring)
		codec = CODEC_STRING;
	set_reference(L, reference);
	return codec;
}

/* register_protocol { name =, id =, pack =, unpack =, dispatch =, trace = } */
int reef_lua_protocol_register(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_getfield(L, 1, "name");
	lua_getfield(L, 1, "id");
	int is_integer;
	lua_Integer id = lua_tointegerx(L, 3, &is_integer);
	if (lua_type(L, 2) != LUA_TSTRING)
		return luaL_error(L, "register_protocol: name must be a string");
	const char *name = reef_check_name_at(L, 2, "register_protocol: name");
	if (!is_integer || id < 0 || id > 255)
		return luaL_error(L, "register_protocol '%s': id must be an integer between 0 and 255", name);
	if (reef_protocol_by_name(host, name, strlen(name)))
		return luaL_error(L, "register_protocol '%s': the name is in use", name);
	if (reef_protocol_by_id(host, (int)id))
		return luaL_error(L, "register_protocol '%s': id %d is in use", name, (int)id);
	int pack = 0, unpack = 0, dispatch = 0;
	uint8_t packs = take_codec(L, "pack", reef_lua_message_pack, &pack);
	uint8_t unpacks = take_codec(L, "unpack", reef_lua_message_unpack, &unpack);
	lua_getfield(L, 1, "dispatch");
	set_reference(L, &dispatch);
	lua_getfield(L, 1, "trace");
	int8_t trace = lua_isnil(L, -1) ? -1 : (int8_t)lua_toboolean(L, -1);
	struct reef_protocol *protocol = reef_protocol_add(host, name, (int)id);
	protocol->pack = pack;
	protocol->unpack = unpack;
	protocol->packs = packs == CODEC_STRING ? CODEC_USER : packs;
	protocol->unpacks = unpacks;
	protocol->dispatch = dispatch;
	protocol->trace = trace;
	return 0;
}

static struct reef_protocol *protocol_at(lua_State *L, int index) {
	struct reef_host *host = reef_host_get(L);
	if (lua_type(L, index) == LUA_TNUMBER)
		return reef_protocol_by_id(host, (int)lua_tointeger(L, index));
	size_t size;
	const char *name = lua_type(L, index) == LUA_TSTRING ? lua_tolstring(L, index, &size) : NULL;
	return name ? reef_protocol_by_name(host, name, size) : NULL;
}

/* dispatch(type [, f]) -> the function before */
int reef_lua_protocol_dispatch(lua_State *L) {
	lua_settop(L, 2);
	if (lua_type(L, 1) == LUA_TFUNCTION)
		luaL_typeerror(L, 1, "string");
	if (lua_type(L, 2) == LUA_TNUMBER || lua_type(L, 2) == LUA_TSTRING || lua_type(L, 2) == LUA_TBOOLEAN)
		luaL_typeerror(L, 2, "function");
	if (lua_isnil(L, 2)) {
		const struct reef_protocol *protocol = protocol_at(L, 1);
		push_reference(L, protocol ? protocol->dispatch : 0);
		return 1;
	}
	struct reef_protocol *protocol = reef_protocol_check(L, 1);
	lua_settop(L, 2);
	push_reference(L, protocol->dispatch);
	lua_insert(L, 2);
	set_reference(L, &protocol->dispatch);
	return 1;
}

/* hook(f) -> the function before, which is `otherwise` while there is none */
static int set_hook(lua_State *L, int *hook, lua_CFunction otherwise) {
	lua_settop(L, 1);
	if (*hook)
		push_reference(L, *hook);
	else
		lua_pushcfunction(L, otherwise);
	lua_insert(L, 1);
	if (lua_tocfunction(L, 2) == otherwise) {
		lua_pop(L, 1);
		lua_pushnil(L);
	}
	set_reference(L, hook);
	return 1;
}

int reef_lua_protocol_unknown_request(lua_State *L) {
	return set_hook(L, &reef_host_get(L)->unknown_request, reef_hook_unknown_request);
}

int reef_lua_protocol_unknown_response(lua_State *L) {
	return set_hook(L, &reef_host_get(L)->unknown_response, reef_hook_unknown_response);
}

/* dispatch_message(type, msg, sz, session, source): the bytes stay the caller's. */
int reef_lua_protocol_message(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	if (!lua_isnoneornil(L, 2))
		luaL_checktype(L, 2, LUA_TLIGHTUSERDATA);
	struct reef_message m = {.data = lua_touserdata(L, 2)};
	m.type = (uint8_t)luaL_checkinteger(L, 1);
	lua_Integer size = luaL_optinteger(L, 3, 0);
	luaL_argcheck(L, size >= 0 && (m.data || size == 0), 3, "no such size");
	m.size = (size_t)size;
	m.session = (int32_t)luaL_checkinteger(L, 4);
	m.source = (uint32_t)luaL_checkinteger(L, 5);
	lua_State *from = host->from;
	host->from = L;
	if (m.session == host->raw_session && m.source == host->raw_source)
		host->raw_session = 0;
	reef_dispatch(host, &m);
	reef_task_turn(host);
	host->from = from;
	return 0;
}

/* callback(f [, forward]): f(type, msg, sz, session, source) takes all messages from now on. With `forward` it owns
 * their memory. */
int reef_lua_protocol_callback(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	luaL_checktype(L, 1, LUA_TFUNCTION);
	host->raw_forward = lua_toboolean(L, 2);
	lua_settop(L, 1);
	set_reference(L, &host->raw_callback);
	return 0;
}

/* protocol(name or id) -> a copy of what is registered, or nil */
int reef_lua_protocol_get(lua_State *L) {
	const struct reef_protocol *protocol = protocol_at(L, 1);
	if (!protocol)
		return 0;
	lua_createtable(L, 0, 6);
	lua_pushstring(L, protocol->name);
	lua_setfield(L, -2, "name");
	lua_pushinteger(L, protocol->id);
	lua_setfield(L, -2, "id");
	if (protocol->packs == CODEC_LUA)
		lua_pushcfunction(L, reef_lua_message_pack);
	else
		push_reference(L, protocol->pack);
	lua_setfield(L, -2, "pack");
	if (protocol->unpacks == CODEC_LUA)
		lua_pushcfunction(L, reef_lua_message_unpack);
	else
		push_reference(L, protocol->unpack);
	lua_setfield(L, -2, "unpack");
	push_reference(L, protocol->dispatch);
	lua_setfield(L, -2, "dispatch");
	if (protocol->trace >= 0) {
		lua_pushboolean(L, protocol->trace);
		lua_setfield(L, -2, "trace");
	}
	return 1;
}
