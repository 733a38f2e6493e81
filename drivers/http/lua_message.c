/* See lua_message.h. A message is put together on the C stack, or in a userdata if it is large. What goes to a socket never
 * becomes a Lua string. */
#include "drivers/http/lua_message.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <string.h>
#include <strings.h>

#include "socket/socket.h"

#define SMALL ((size_t)1024)
#define COPIED ((size_t)16 * 1024) /* bytes of a body that are put behind the head, so that both leave together */

enum { START = 1, FIELDS, BODY, LENGTH, MORE, ID, ANY_LENGTH, ANY_ENCODING, ARGUMENTS = ANY_ENCODING };
enum { BUFFER = ARGUMENTS + 1, FOUND_LENGTH, FOUND_ENCODING, FOUND_CONNECTION, TOP = FOUND_CONNECTION };

struct message {
	lua_State *L;
	char *bytes;
	size_t size, room;
	char small[SMALL];
};

/* RFC 9110, section 5.6.2. */
static const char is_token[256] = {
		['!'] = 1, ['#'] = 1, ['$'] = 1, ['%'] = 1, ['&'] = 1, ['\''] = 1, ['*'] = 1, ['+'] = 1, ['-'] = 1, ['.'] = 1,
		['^'] = 1, ['_'] = 1, ['`'] = 1, ['|'] = 1, ['~'] = 1, ['0'] = 1,  ['1'] = 1, ['2'] = 1, ['3'] = 1, ['4'] = 1,
		['5'] = 1, ['6'] = 1, ['7'] = 1, ['8'] = 1, ['9'] = 1, ['a'] = 1,  ['b'] = 1, ['c'] = 1, ['d'] = 1, ['e'] = 1,
		['f'] = 1, ['g'] = 1, ['h'] = 1, ['i'] = 1, ['j'] = 1, ['k'] = 1,  ['l'] = 1, ['m'] = 1, ['n'] = 1, ['o'] = 1,
		['p'] = 1, ['q'] = 1, ['r'] = 1, ['s'] = 1, ['t'] = 1, ['u'] = 1,  ['v'] = 1, ['w'] = 1, ['x'] = 1, ['y'] = 1,
		['z'] = 1, ['A'] = 1, ['B'] = 1, ['C'] = 1, ['D'] = 1, ['E'] = 1,  ['F'] = 1, ['G'] = 1, ['H'] = 1, ['I'] = 1,
		['J'] = 1, ['K'] = 1, ['L'] = 1, ['M'] = 1, ['N'] = 1, ['O'] = 1,  ['P'] = 1, ['Q'] = 1, ['R'] = 1, ['S'] = 1,
		['T'] = 1, ['U'] = 1, ['V'] = 1, ['W'] = 1, ['X'] = 1, ['Y'] = 1,  ['Z'] = 1,
};

static void message_fail(lua_State *L, const char *format, const char *text) {
	lua_pushfstring(L, format, text);
	lua_error(L);
}

static void message_grow(struct message *m, size_t more) {
	size_t room = m->room * 2;
	while (room - m->size < more)
		room *= 2;
	char *bytes = lua_newuserdatauv(m->L, room, 0);
	memcpy(bytes, m->bytes, m->size);
	lua_replace(m->L, BUFFER);
	m->bytes = bytes;
	m->room = room;
}

static inline char *message_reserve(struct message *m, size_t more) {
	if (m->room - m->size < more)
		message_grow(m, more);
	return m->bytes + m->size;
}

static void add(struct message *m, const char *bytes, size_t n) {
	memcpy(message_reserve(m, n), bytes, n);
	m->size += n;
}

static void add_number(struct message *m, uint64_t n) {
	char digits[20], *at = digits + sizeof digits;
	do {
		*--at = (char)('0' + n % 10);
		n /= 10;
	} while (n > 0);
	add(m, at, (size_t)(digits + sizeof digits - at));
}

static bool has_break(const char *text, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\r' || text[i] == '\n' || text[i] == 0)
			return true;
	return false;
}

/* A line with the value on top of the stack. */
static void add_line(struct message *m, const char *name, size_t name_size) {
	lua_State *L = m->L;
	size_t n;
	bool convert = lua_type(L, -1) != LUA_TSTRING;
	const char *value = convert ? luaL_tolstring(L, -1, &n) : lua_tolstring(L, -1, &n);
	if (has_break(value, n))
		message_fail(L, "http: the field %s has a line break or a zero byte in its value", name);
	char *to = message_reserve(m, name_size + n + 4);
	memcpy(to, name, name_size);
	memcpy(to + name_size, ": ", 2);
	memcpy(to + name_size + 2, value, n);
	memcpy(to + name_size + 2 + n, "\r\n", 2);
	m->size += name_size + n + 4;
	if (convert)
		lua_pop(L, 1);
}

/* Remembers the value on top of the stack if its field says where a message or its connection ends. */
static void note(lua_State *L, const char *name, size_t n) {
	int at = 0;
	if (n == 14 && strncasecmp(name, "content-length", n) == 0)
		at = FOUND_LENGTH;
	else if (n == 17 && strncasecmp(name, "transfer-encoding", n) == 0)
		at = FOUND_ENCODING;
	else if (n == 10 && strncasecmp(name, "connection", n) == 0)
		at = FOUND_CONNECTION;
	if (at == 0)
		return;
	if (at != FOUND_CONNECTION && (!lua_isnil(L, at) || lua_istable(L, -1)))
		message_fail(L, "http: there are several fields %s", name);
	lua_copy(L, -1, at);
}

/* The field whose name and value are on top of the stack; an array becomes lines of their own. */
static void message_add_field(struct message *m) {
	lua_State *L = m->L;
	size_t n;
	if (lua_type(L, -2) != LUA_TSTRING)
		message_fail(L, "http: %s is no name of a field", luaL_tolstring(L, -2, NULL));
	const char *name = lua_tolstring(L, -2, &n);
	bool good = n > 0;
	for (size_t i = 0; i < n; i++)
		good = good && is_token[(unsigned char)name[i]];
	if (!good)
		message_fail(L, "http: \"%s\" is no name of a field", name);
	note(L, name, n);
	if (lua_type(L, -1) != LUA_TTABLE) {
		add_line(m, name, n);
		return;
	}
	for (lua_Integer i = 1; lua_rawgeti(L, -1, i) != LUA_TNIL; i++) {
		add_line(m, name, n);
		lua_pop(L, 1);
	}
	lua_pop(L, 1);
}

/* A table that says itself what is in it. */
static void add_pairs(struct message *m) {
	lua_State *L = m->L;
	lua_pushvalue(L, FIELDS);
	lua_call(L, 1, 3);
	for (;;) {
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -3);
		lua_call(L, 2, 2);
		if (lua_isnil(L, -2))
			break;
		message_add_field(m);
		lua_pop(L, 1);
		lua_replace(L, -2);
	}
	lua_pop(L, 5);
}

static void add_fields(struct message *m) {
	lua_State *L = m->L;
	luaL_checktype(L, FIELDS, LUA_TTABLE);
	if (luaL_getmetafield(L, FIELDS, "__pairs") != LUA_TNIL) {
		add_pairs(m);
		return;
	}
	lua_pushnil(L);
	while (lua_next(L, FIELDS)) {
		message_add_field(m);
		lua_pop(L, 1);
	}
}

/* Puts the head together, and the body behind it up to `copied` bytes; else the body is left. At the top of the stack are then
 * the buffer and the values of the fields that were found. */
static void message_build(struct message *m, lua_State *L, size_t copied) {
	size_t n;
	const char *text;
	lua_settop(L, ARGUMENTS);
	lua_settop(L, TOP);
	m->L = L;
	m->bytes = m->small;
	m->size = 0;
	m->room = sizeof m->small;
	text = luaL_checklstring(L, START, &n);
	add(m, text, n);
	if (!lua_isnil(L, FIELDS))
		add_fields(m);
	if (!lua_isnil(L, MORE)) {
		text = luaL_checklstring(L, MORE, &n);
		add(m, text, n);
	}
	if (!lua_isnil(L, LENGTH) && lua_isnil(L, FOUND_LENGTH) && lua_isnil(L, FOUND_ENCODING)) {
		add(m, "content-length: ", 16);
		add_number(m, (uint64_t)luaL_checkinteger(L, LENGTH));
		add(m, "\r\n", 2);
	}
	add(m, "\r\n", 2);
	if (!lua_isnil(L, BODY)) {
		text = luaL_checklstring(L, BODY, &n);
		if (n <= copied)
			add(m, text, n);
	}
}

/* (start line, fields or nil, body or nil, length or nil, more lines or nil) -> the message, and the values of the fields
 * Content-Length, Transfer-Encoding and Connection. A length becomes a Content-Length if the fields have neither that nor an encoding. Raises
 * where a field would become something else. */
static int message_text(lua_State *L) {
	struct message m;
	message_build(&m, L, SIZE_MAX);
	lua_pushlstring(L, m.bytes, m.size);
	lua_replace(L, BUFFER);
	return 4;
}

/* A response says nothing else of its body than what the server says. */
static void check_response(lua_State *L) {
	if (!lua_isnil(L, FOUND_ENCODING) && !lua_toboolean(L, ANY_ENCODING))
		message_fail(L, "http: a response's Transfer-Encoding is the server's own affair%s", "");
	if (lua_isnil(L, FOUND_LENGTH) || lua_isnil(L, LENGTH) || lua_toboolean(L, ANY_LENGTH))
		return;
	const char *said = luaL_tolstring(L, FOUND_LENGTH, NULL);
	const char *real = lua_pushfstring(L, "%I", (LUAI_UACINT)lua_tointeger(L, LENGTH));
	if (strcmp(said, real) == 0)
		return;
	lua_pushfstring(L, "http: the handler says content-length: %s for a body of %s bytes", said, real);
	lua_error(L);
}

/* (start line, fields, body, length, more lines, socket, any length, any encoding) writes the same to a socket -> whether that
 * takes it, and the value of the field Connection. Unless they may be any, raises if the fields say another length than the
 * argument, or an encoding; nothing is written then. */
static int message_send(lua_State *L) {
	struct message m;
	size_t n = 0;
	int id = (int)luaL_checkinteger(L, ID);
	message_build(&m, L, COPIED);
	check_response(L);
	bool ok = reef_socket_write(id, m.bytes, m.size, REEF_NORMAL);
	const char *body = lua_isnil(L, BODY) ? NULL : lua_tolstring(L, BODY, &n);
	if (ok && n > COPIED)
		ok = reef_socket_write(id, body, n, REEF_NORMAL);
	lua_pushboolean(L, ok);
	lua_pushvalue(L, FOUND_CONNECTION);
	return 2;
}

void reef_lua_message_set(lua_State *L) {
	lua_pushcfunction(L, message_send);
	lua_setfield(L, -2, "send");
	lua_pushcfunction(L, message_text);
	lua_setfield(L, -2, "text");
}
