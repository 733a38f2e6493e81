/* See lua_message.h. A message is put together on the C stack, or in a userdata if it is large. What goes to a socket never
 * becomes a Lua string. */
#include "drivers/http/lua_message.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <strings.h>
#include <time.h>

#include "core/clock.h"
#include "socket/socket.h"

#define SMALL ((size_t)1024)
#define COPIED ((size_t)16 * 1024) /* bytes of a body that are put behind the head, so that both leave together */

enum { START = 1, FIELDS, BODY, LENGTH, MORE, ID, ANY_LENGTH, ANY_ENCODING, ARGUMENTS = ANY_ENCODING };
enum { BUFFER = ARGUMENTS + 1, FOUND_LENGTH, FOUND_ENCODING, FOUND_CONNECTION, TOP = FOUND_CONNECTION };

/* What is said of a message besides its fields. */
struct extent {
	bool counted; /* a length becomes a Content-Length if the fields have neither that nor an encoding */
	uint64_t length;
	const char *more; /* lines; NULL: none */
	size_t more_size;
};

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
static void message_build(struct message *m, lua_State *L, const struct extent *extent, size_t copied) {
	size_t n;
	const char *text;
	m->L = L;
	m->bytes = m->small;
	m->size = 0;
	m->room = sizeof m->small;
	text = luaL_checklstring(L, START, &n);
	add(m, text, n);
	if (!lua_isnil(L, FIELDS))
		add_fields(m);
	if (extent->more)
		add(m, extent->more, extent->more_size);
	if (extent->counted && lua_isnil(L, FOUND_LENGTH) && lua_isnil(L, FOUND_ENCODING)) {
		add(m, "content-length: ", 16);
		add_number(m, extent->length);
		add(m, "\r\n", 2);
	}
	add(m, "\r\n", 2);
	if (!lua_isnil(L, BODY)) {
		text = luaL_checklstring(L, BODY, &n);
		if (n <= copied)
			add(m, text, n);
	}
}

/* Makes room for what is found, and says what the arguments do. */
static struct extent arguments(lua_State *L) {
	struct extent extent = {0};
	lua_settop(L, ARGUMENTS);
	lua_settop(L, TOP);
	if (!lua_isnil(L, MORE))
		extent.more = luaL_checklstring(L, MORE, &extent.more_size);
	extent.counted = !lua_isnil(L, LENGTH);
	if (extent.counted)
		extent.length = (uint64_t)luaL_checkinteger(L, LENGTH);
	return extent;
}

/* (start line, fields or nil, body or nil, length or nil, more lines or nil) -> the message, and the values of the fields
 * Content-Length, Transfer-Encoding and Connection. Raises where a field would become something else. */
static int message_text(lua_State *L) {
	struct message m;
	struct extent extent = arguments(L);
	message_build(&m, L, &extent, SIZE_MAX);
	lua_pushlstring(L, m.bytes, m.size);
	lua_replace(L, BUFFER);
	return 4;
}

/* A response says nothing else of its body than what the server says. */
static void check_response(lua_State *L, const struct extent *extent, bool any_length, bool any_encoding) {
	if (!lua_isnil(L, FOUND_ENCODING) && !any_encoding)
		message_fail(L, "http: a response's Transfer-Encoding is the server's own affair%s", "");
	if (lua_isnil(L, FOUND_LENGTH) || !extent->counted || any_length)
		return;
	const char *said = luaL_tolstring(L, FOUND_LENGTH, NULL);
	const char *real = lua_pushfstring(L, "%I", (LUAI_UACINT)extent->length);
	if (strcmp(said, real) == 0)
		return;
	lua_pushfstring(L, "http: the handler says content-length: %s for a body of %s bytes", said, real);
	lua_error(L);
}

/* A body that is too large to be copied follows. False: the socket does not take it. */
static bool message_write(const struct message *m, int id, const char *body, size_t n) {
	bool ok = reef_socket_write(id, m->bytes, m->size, REEF_NORMAL);
	return ok && (n <= COPIED || reef_socket_write(id, body, n, REEF_NORMAL));
}

/* (start line, fields, body, length, more lines, socket, any length, any encoding) writes the same to a socket -> whether that
 * takes it, and the value of the field Connection. Unless they may be any, raises if the fields say another length than the
 * argument, or an encoding; nothing is written then. */
static int message_send(lua_State *L) {
	struct message m;
	size_t n = 0;
	struct extent extent = arguments(L);
	int id = (int)luaL_checkinteger(L, ID);
	message_build(&m, L, &extent, COPIED);
	check_response(L, &extent, lua_toboolean(L, ANY_LENGTH), lua_toboolean(L, ANY_ENCODING));
	const char *body = lua_isnil(L, BODY) ? NULL : lua_tolstring(L, BODY, &n);
	lua_pushboolean(L, message_write(&m, id, body, n));
	lua_pushvalue(L, FOUND_CONNECTION);
	return 2;
}

/* ---- responses of a server ---- */

struct date {
	time_t at; /* 0: none was made yet */
	size_t size;
	char line[64];
};

/* RFC 9110, section 6.6.1. Each thread has its own. */
static const struct date *date_now(void) {
	static _Thread_local struct date date;
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
									 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct timespec wall;
	reef_clock_wall(&wall);
	time_t now = wall.tv_sec;
	struct tm t;
	if (now == date.at || gmtime_r(&now, &t) == NULL)
		return &date;
	date.at = now;
	date.size = (size_t)snprintf(date.line, sizeof date.line, "date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
								 days[t.tm_wday], t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min,
								 t.tm_sec);
	return &date;
}

/* () -> the line Date of a response */
static int message_date(lua_State *L) {
	const struct date *date = date_now();
	lua_pushlstring(L, date->line, date->size);
	return 1;
}

/* (start line or nil, fields, body, socket) sends a response whose body is a string, on a connection that goes on -> the time as
 * skynet.now has it, and the value of the field Connection; nothing if it is none such, or its status line is not known:
 * then nothing was sent. Raises as `send` does. */
static int message_answer(lua_State *L) {
	struct message m;
	if (lua_type(L, START) != LUA_TSTRING || lua_type(L, BODY) != LUA_TSTRING)
		return 0;
	int id = (int)luaL_checkinteger(L, BODY + 1);
	size_t n;
	const char *body = lua_tolstring(L, BODY, &n);
	const struct date *date = date_now();
	struct extent extent = {.counted = true, .length = n, .more = date->line, .more_size = date->size};
	lua_settop(L, BODY);
	lua_settop(L, TOP);
	message_build(&m, L, &extent, COPIED);
	check_response(L, &extent, false, false);
	message_write(&m, id, body, n);
	lua_pushinteger(L, (lua_Integer)reef_now_cs());
	lua_pushvalue(L, FOUND_CONNECTION);
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
