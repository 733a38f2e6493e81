/* See messages.h. */
#include "messages.h"

#include "connection.h"
#include "socket/socket.h"

/* What the message at the top costs, roughly: it holds texts, and that is where the bytes are. */
static size_t message_bytes(lua_State *L) {
	size_t bytes = 128;
	if (!lua_istable(L, -1))
		return bytes + lua_rawlen(L, -1);
	for (lua_Integer i = 1, n = (lua_Integer)lua_rawlen(L, -1); i <= n; i++) {
		lua_rawgeti(L, -1, i);
		bytes += lua_type(L, -1) == LUA_TSTRING ? lua_rawlen(L, -1) : 16;
		lua_pop(L, 1);
	}
	return bytes;
}

void reef_redis_messages_add(struct reef_redis_connection *c) {
	lua_State *L = c->requests.build;
	c->queue_bytes += message_bytes(L);
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->queue);
	lua_insert(L, -2);
	lua_rawseti(L, -2, c->queue_tail++);
	lua_pop(L, 1);
	if (!c->paused &&
		((size_t)(c->queue_tail - c->queue_head) >= c->max_queue || c->queue_bytes >= c->max_queue_bytes)) {
		c->paused = true;
		reef_socket_pause(c->requests.channel.socket);
	}
}

bool reef_redis_messages_take(struct reef_redis_connection *c, lua_State *L) {
	if (c->queue_head == c->queue_tail)
		return false;
	lua_rawgeti(L, LUA_REGISTRYINDEX, c->queue);
	lua_rawgeti(L, -1, c->queue_head);
	lua_pushnil(L);
	lua_rawseti(L, -3, c->queue_head);
	lua_remove(L, -2);
	c->queue_head++;
	c->queue_bytes -= message_bytes(L);
	if (c->paused && (size_t)(c->queue_tail - c->queue_head) <= c->max_queue / 2 &&
		c->queue_bytes <= c->max_queue_bytes / 2) {
		c->paused = false;
		reef_socket_resume(c->requests.channel.socket);
	}
	return true;
}
