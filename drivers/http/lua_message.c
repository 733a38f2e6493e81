/* See lua_message.h. A message is put together on the C stack, or in a userdata if it is large. What goes to a socket never
 * becomes a Lua string. */
#include "drivers/http/lua_message.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include "core/clock.h"
#include "drivers/http/date.h"
#include "drivers/http/field_name.h"
#include "drivers/http/message_fields.h"
#include "socket/socket.h"

#define COPIED ((size_t)16 * 1024) /* bytes of a body that are put behind the head, so that both leave together */

/* What is said of a message besides its fields. */
struct extent {
	bool counted;    /* a length becomes a Content-Length if the fields have neither that nor an encoding */
	bool any_length; /* the fields may say another one */
	uint64_t length;
	const char *more; /* lines; NULL: none */
	size_t more_size;
};

static void add_number(struct reef_http_message *m, uint64_t n) {
	char digits[20], *at = digits + sizeof digits;
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	reef_http_message_add(m, at, (size_t)(digits + sizeof digits - at));
}

static void check_length(lua_State *L, const struct extent *extent) {
	if (lua_isnil(L, REEF_MESSAGE_FOUND_LENGTH) || !extent->counted || extent->any_length)
		return;
	const char *said = luaL_tolstring(L, REEF_MESSAGE_FOUND_LENGTH, NULL);
	const char *real = lua_pushfstring(L, "%I", (LUAI_UACINT)extent->length);
	if (strcmp(said, real) != 0)
		lua_error(
				(lua_pushfstring(L, "http: the fields say content-length: %s for a body of %s bytes", said, real), L));
	lua_pop(L, 2);
}

/* Puts the head together, and the body behind it up to `copied` bytes; else the body is left. At the top of the stack are then
 * the buffer and the values of the fields that were found. */
static void message_build(struct reef_http_message *m, lua_State *L, const struct extent *extent, size_t copied) {
	size_t n;
	const char *text;
	m->L = L;
	m->bytes = m->small;
	m->size = 0;
	m->room = sizeof m->small;
	m->found = 0;
	m->closes = m->keeps = m->has_options = false;
	text = luaL_checklstring(L, REEF_MESSAGE_START, &n);
	reef_http_message_add(m, text, n);
	if (!lua_isnil(L, REEF_MESSAGE_FIELDS))
		reef_http_message_add_fields(m);
	reef_http_message_add_lines(m, extent->more ? extent->more : "", extent->more_size);
	check_length(L, extent);
	if (extent->counted && !(m->found & (REEF_HTTP_LENGTH | REEF_HTTP_ENCODING))) {
		reef_http_message_add(m, "content-length: ", 16);
		add_number(m, extent->length);
		reef_http_message_add(m, "\r\n", 2);
	}
	reef_http_message_add(m, "\r\n", 2);
	if (!lua_isnil(L, REEF_MESSAGE_BODY)) {
		text = luaL_checklstring(L, REEF_MESSAGE_BODY, &n);
		if (n <= copied)
			reef_http_message_add(m, text, n);
	}
}

/* Makes room for what is found, and says what the arguments do. */
static struct extent arguments(lua_State *L) {
	struct extent extent = {0};
	lua_settop(L, REEF_MESSAGE_ARGUMENTS);
	lua_settop(L, REEF_MESSAGE_TOP);
	if (!lua_isnil(L, REEF_MESSAGE_MORE))
		extent.more = luaL_checklstring(L, REEF_MESSAGE_MORE, &extent.more_size);
	extent.any_length = lua_toboolean(L, REEF_MESSAGE_ANY_LENGTH);
	extent.counted = !lua_isnil(L, REEF_MESSAGE_LENGTH);
	if (extent.counted)
		extent.length = (uint64_t)luaL_checkinteger(L, REEF_MESSAGE_LENGTH);
	return extent;
}

/* (start line, fields or nil, body or nil, length or nil, more lines or nil, -, any length) -> the message, and the values of the fields
 * Content-Length, Transfer-Encoding and Connection. Raises where a field would become something else. */
static int message_text(lua_State *L) {
	struct reef_http_message m;
	struct extent extent = arguments(L);
	message_build(&m, L, &extent, SIZE_MAX);
	lua_pushlstring(L, m.bytes, m.size);
	lua_replace(L, REEF_MESSAGE_BUFFER);
	return 4;
}

/* A response says nothing else of its body than what the server says. */
static void check_encoding(lua_State *L, const struct reef_http_message *m) {
	if (m->found & REEF_HTTP_ENCODING)
		reef_http_message_fail(L, "http: a response's Transfer-Encoding is the server's own affair%s", "");
}

/* A body that is too large to be copied follows. False: the socket does not take it. */
static bool message_write(const struct reef_http_message *m, int id, const char *body, size_t n) {
	bool ok = reef_socket_write(id, m->bytes, m->size, REEF_NORMAL);
	return ok && (n <= COPIED || reef_socket_write(id, body, n, REEF_NORMAL));
}

/* (start line, fields, body, length, more lines, socket, any length, any encoding) writes the same to a socket -> whether that
 * takes it, and whether the fields end the connection. Unless they may be any, raises if the fields say another length than the
 * argument, or an encoding; nothing is written then. */
static int message_send(lua_State *L) {
	struct reef_http_message m;
	size_t n = 0;
	struct extent extent = arguments(L);
	int id = (int)luaL_checkinteger(L, REEF_MESSAGE_ID);
	message_build(&m, L, &extent, COPIED);
	if (!lua_toboolean(L, REEF_MESSAGE_ANY_ENCODING))
		check_encoding(L, &m);
	const char *body = lua_isnil(L, REEF_MESSAGE_BODY) ? NULL : lua_tolstring(L, REEF_MESSAGE_BODY, &n);
	lua_pushboolean(L, message_write(&m, id, body, n));
	lua_pushboolean(L, m.closes);
	return 2;
}

/* ---- responses of a server ---- */

/* () -> the line Date of a response */
static int message_date(lua_State *L) {
	const struct reef_http_date *date = reef_http_date_now();
	lua_pushlstring(L, date->line, date->size);
	return 1;
}

/* (start line or nil, fields, body, socket) sends a response whose body is a string, on a connection that goes on -> the time as
 * skynet.now has it, and whether the fields end the connection; nothing if it is none such, or its status line is not known:
 * then nothing was sent. Raises as `send` does. */
static int message_answer(lua_State *L) {
	struct reef_http_message m;
	if (lua_type(L, REEF_MESSAGE_START) != LUA_TSTRING || lua_type(L, REEF_MESSAGE_BODY) != LUA_TSTRING)
		return 0;
	int id = (int)luaL_checkinteger(L, REEF_MESSAGE_BODY + 1);
	size_t n;
	const char *body = lua_tolstring(L, REEF_MESSAGE_BODY, &n);
	const struct reef_http_date *date = reef_http_date_now();
	struct extent extent = {.counted = true, .length = n, .more = date->line, .more_size = date->size};
	lua_settop(L, REEF_MESSAGE_BODY);
	lua_settop(L, REEF_MESSAGE_TOP);
	message_build(&m, L, &extent, COPIED);
	check_encoding(L, &m);
	message_write(&m, id, body, n);
	lua_pushinteger(L, (lua_Integer)reef_now_cs());
	lua_pushboolean(L, m.closes);
	return 2;
}

void reef_lua_message_set(lua_State *L) {
	lua_pushcfunction(L, message_send);
	lua_setfield(L, -2, "send");
	lua_pushcfunction(L, message_text);
	lua_setfield(L, -2, "text");
	lua_pushcfunction(L, message_answer);
	lua_setfield(L, -2, "answer");
	lua_pushcfunction(L, message_date);
	lua_setfield(L, -2, "date");
}
