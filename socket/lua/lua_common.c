/* See lua_common.h. */
#include "lua_common.h"

#include <string.h>

#include "core/alloc.h"
#include "socket/info.h"
#include "socket/udp.h"

const char *reef_lua_common_host(lua_State *L, int index) {
	size_t n;
	const char *host = luaL_checklstring(L, index, &n);
	luaL_argcheck(L, memchr(host, '\0', n) == NULL, index, "a host contains a zero byte");
	return host;
}

int reef_lua_common_port(lua_State *L, int index) {
	if (lua_isnoneornil(L, index))
		return -1;
	lua_Integer port = luaL_checkinteger(L, index);
	if (port < 0 || port > 65535)
		luaL_error(L, "Invalid port %I", port);
	return (int)port;
}

const char *reef_lua_common_bytes(lua_State *L, int index, size_t *n, void **release) {
	*release = NULL;
	if (lua_type(L, index) == LUA_TUSERDATA) {
		*n = lua_isnoneornil(L, index + 1) ? lua_rawlen(L, index) : (size_t)luaL_checkinteger(L, index + 1);
		if (*n > lua_rawlen(L, index))
			luaL_error(L, "size %I is more than the userdata's", (lua_Integer)*n);
		return lua_touserdata(L, index);
	}
	if (lua_type(L, index) == LUA_TLIGHTUSERDATA) {
		lua_Integer size = luaL_checkinteger(L, index + 1);
		luaL_argcheck(L, size >= 0, index + 1, "negative size");
		luaL_argcheck(L, size == 0 || lua_touserdata(L, index), index, "no bytes");
		*n = (size_t)size;
		return *release = lua_touserdata(L, index);
	}
	return luaL_checklstring(L, index, n);
}

/* The strings and numbers of the array on top of L as one block from reef_malloc. */
static char *join_items(lua_State *L, int index, size_t *total) {
	lua_Integer count = (lua_Integer)lua_rawlen(L, index);
	luaL_Buffer buffer;
	luaL_buffinit(L, &buffer);
	for (lua_Integer i = 1; i <= count; i++) {
		int type = lua_geti(L, index, i);
		if (type != LUA_TSTRING && type != LUA_TNUMBER)
			luaL_error(L, "cannot write a %s (item %I)", lua_typename(L, type), i);
		luaL_addvalue(&buffer);
	}
	luaL_pushresult(&buffer);
	const char *joined = lua_tolstring(L, -1, total);
	char *block = reef_try_malloc(*total + 1);
	if (block == NULL)
		luaL_error(L, "not enough memory to write %I bytes", (LUAI_UACINT)*total);
	memcpy(block, joined, *total);
	lua_pop(L, 1);
	return block;
}

int reef_lua_common_write(lua_State *L, enum reef_priority priority) {
	int id = (int)luaL_checkinteger(L, 1);
	size_t n;
	bool ok;
	if (lua_type(L, 2) == LUA_TTABLE) {
		void *block = join_items(L, 2, &n);
		ok = reef_socket_write_take(id, block, n, priority);
	} else {
		void *block;
		const char *bytes = reef_lua_common_bytes(L, 2, &n, &block);
		ok = block ? reef_socket_write_take(id, block, n, priority) : reef_socket_write(id, bytes, n, priority);
	}
	lua_pushboolean(L, ok);
	return 1;
}

static void set_integer(lua_State *L, const char *key, uint64_t value) {
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, key);
}

static void push_info(lua_State *L, const struct reef_socket_info *info) {
	static const char *const types[] = {
			[REEF_SOCKET_OPENING] = "CONNECTING",
			[REEF_SOCKET_LISTEN] = "LISTEN",
			[REEF_SOCKET_TCP] = "TCP",
			[REEF_SOCKET_UDP] = "UDP",
			[REEF_SOCKET_BIND] = "BIND",
			[REEF_SOCKET_CLOSING] = "CLOSING",
	};
	bool listener = info->type == REEF_SOCKET_LISTEN;
	lua_createtable(L, 0, 11);
	set_integer(L, "id", (uint64_t)info->id);
	set_integer(L, "address", info->owner);
	lua_pushstring(L, types[info->type]);
	lua_setfield(L, -2, "type");
	set_integer(L, listener ? "accept" : "read", info->read);
	if (!listener) {
		set_integer(L, "write", info->written);
		set_integer(L, "wbuffer", info->unsent);
		set_integer(L, "wtime", info->wtime);
		lua_pushboolean(L, info->writing);
		lua_setfield(L, -2, "writing");
	}
	set_integer(L, "rtime", info->rtime);
	lua_pushboolean(L, info->reading);
	lua_setfield(L, -2, "reading");
	if (info->name[0]) {
		lua_pushstring(L, info->name);
		lua_setfield(L, -2, listener ? "sock" : "peer");
	}
}

int reef_lua_common_info(lua_State *L) {
	struct reef_socket_info info;
	lua_Integer n = 0;
	lua_newtable(L);
	for (int id = reef_info_next(0); id != 0; id = reef_info_next(id)) {
		if (!reef_info_get(id, &info))
			continue;
		push_info(L, &info);
		lua_rawseti(L, -2, ++n);
	}
	return 1;
}

int reef_lua_common_header(lua_State *L) {
	size_t n;
	const uint8_t *bytes = (const uint8_t *)luaL_checklstring(L, 1, &n);
	if (n < 1 || n > 4)
		return luaL_error(L, "Invalid package header of %I bytes", (lua_Integer)n);
	lua_Integer value = 0;
	for (size_t i = 0; i < n; i++)
		value = value << 8 | bytes[i];
	lua_pushinteger(L, value);
	return 1;
}

int reef_lua_common_udp_address(lua_State *L) {
	size_t n;
	const char *bytes = luaL_checklstring(L, 1, &n);
	char ip[REEF_ADDRESS_SIZE];
	int port;
	if (!reef_udp_address_text((const uint8_t *)bytes, n, ip, &port))
		return luaL_error(L, "Invalid udp address");
	lua_pushstring(L, ip);
	lua_pushinteger(L, port);
	return 2;
}

int reef_lua_common_udp_send(lua_State *L) {
	int id = (int)luaL_checkinteger(L, 1);
	size_t address_size, n;
	const char *address = luaL_checklstring(L, 2, &address_size);
	void *block;
	const char *bytes = reef_lua_common_bytes(L, 3, &n, &block);
	bool ok = reef_udp_send(id, (const uint8_t *)address, address_size, bytes, n);
	reef_free(block);
	lua_pushboolean(L, ok);
	return 1;
}
