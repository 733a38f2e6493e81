/* See message_fields.h. */
#include "drivers/http/message_fields.h"

#include <lauxlib.h>
#include <strings.h>

#include "drivers/http/field_name.h"

void reef_http_message_fail(lua_State *L, const char *format, const char *text) {
	lua_pushfstring(L, format, text);
	lua_error(L);
}

void reef_http_message_grow(struct reef_http_message *m, size_t more) {
	size_t room = m->room * 2;
	while (room - m->size < more)
		room *= 2;
	char *bytes = lua_newuserdatauv(m->L, room, 0);
	memcpy(bytes, m->bytes, m->size);
	lua_replace(m->L, REEF_MESSAGE_BUFFER);
	m->bytes = bytes;
	m->room = room;
}

static bool has_break(const char *text, size_t n) {
	for (size_t i = 0; i < n; i++)
		if (text[i] == '\r' || text[i] == '\n' || text[i] == 0)
			return true;
	return false;
}

/* A line with the value on top of the stack. */
static void add_line(struct reef_http_message *m, const char *name, size_t name_size) {
	lua_State *L = m->L;
	size_t n;
	bool convert = lua_type(L, -1) != LUA_TSTRING;
	const char *value = convert ? luaL_tolstring(L, -1, &n) : lua_tolstring(L, -1, &n);
	if (has_break(value, n))
		reef_http_message_fail(L, "http: the field %s has a line break or a zero byte in its value", name);
	char *to = reef_http_message_reserve(m, name_size + n + 4);
	memcpy(to, name, name_size);
	memcpy(to + name_size, ": ", 2);
	memcpy(to + name_size + 2, value, n);
	memcpy(to + name_size + 2 + n, "\r\n", 2);
	m->size += name_size + n + 4;
	if (convert)
		lua_pop(L, 1);
}

static void check_length_value(lua_State *L) {
	const char *value = luaL_tolstring(L, -1, NULL);
	size_t n = strspn(value, "0123456789");
	if (n == 0 || value[n] != 0)
		reef_http_message_fail(L, "http: content-length: %s is no length", value);
	lua_pop(L, 1);
}

/* Remembers the value on top of the stack if its field says where a message or its connection ends. Raises if there is such
 * a field already, in whatever case its name was written, and there may be only one. */
static void note(struct reef_http_message *m, enum reef_http_field_kind kind, const char *name) {
	lua_State *L = m->L;
	bool is_list = kind == REEF_HTTP_CONNECTION;
	if ((m->found & kind) || (lua_istable(L, -1) && !is_list && lua_rawlen(L, -1) != 1))
		reef_http_message_fail(L, "http: there are several fields %s", name);
	m->found |= kind;
	if ((m->found & REEF_HTTP_LENGTH) && (m->found & REEF_HTTP_ENCODING))
		reef_http_message_fail(L, "http: a message has a length or an encoding, not both%s", "");
	int at = kind == REEF_HTTP_LENGTH       ? REEF_MESSAGE_FOUND_LENGTH
			 : kind == REEF_HTTP_ENCODING   ? REEF_MESSAGE_FOUND_ENCODING
			 : kind == REEF_HTTP_CONNECTION ? REEF_MESSAGE_FOUND_CONNECTION
											: 0;
	if (at == 0)
		return;
	if (is_list || !lua_istable(L, -1))
		lua_copy(L, -1, at);
	else {
		lua_rawgeti(L, -1, 1);
		lua_replace(L, at);
	}
	if (at == REEF_MESSAGE_FOUND_LENGTH) {
		lua_pushvalue(L, at);
		check_length_value(L);
		lua_pop(L, 1);
	}
}

/* The field whose name and value are on top of the stack; an array becomes lines of their own. Connection comes later. */
static void message_add_field(struct reef_http_message *m) {
	lua_State *L = m->L;
	size_t n;
	if (lua_type(L, -2) != LUA_TSTRING)
		reef_http_message_fail(L, "http: %s is no name of a field", luaL_tolstring(L, -2, NULL));
	const char *name = lua_tolstring(L, -2, &n);
	if (!reef_http_is_field_name(name, n))
		reef_http_message_fail(L, "http: \"%s\" is no name of a field", name);
	enum reef_http_field_kind kind = reef_http_field_kind(name, n);
	if (kind != REEF_HTTP_LIST)
		note(m, kind, name);
	if (kind == REEF_HTTP_CONNECTION)
		return;
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
static void add_pairs(struct reef_http_message *m) {
	lua_State *L = m->L;
	lua_pushvalue(L, REEF_MESSAGE_FIELDS);
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

void reef_http_message_add_fields(struct reef_http_message *m) {
	lua_State *L = m->L;
	luaL_checktype(L, REEF_MESSAGE_FIELDS, LUA_TTABLE);
	if (luaL_getmetafield(L, REEF_MESSAGE_FIELDS, "__pairs") != LUA_TNIL) {
		add_pairs(m);
		return;
	}
	lua_pushnil(L);
	while (lua_next(L, REEF_MESSAGE_FIELDS)) {
		message_add_field(m);
		lua_pop(L, 1);
	}
}

/* A word of the field Connection, which is one line whoever says what: `close` beats `keep-alive`. */
static void add_option(struct reef_http_message *m, const char *word, size_t n) {
	if (n == 5 && strncasecmp(word, "close", n) == 0)
		m->closes = true;
	else if (n == 10 && strncasecmp(word, "keep-alive", n) == 0)
		m->keeps = true;
	else {
		reef_http_message_add(m, m->has_options ? ", " : "connection: ", m->has_options ? 2 : 12);
		reef_http_message_add(m, word, n);
		m->has_options = true;
	}
}

static void add_options(struct reef_http_message *m, const char *text, size_t n) {
	for (const char *end = text + n; text < end;) {
		size_t blank = strspn(text, ", \t\r\n"), word = strcspn(text + blank, ", \t\r\n");
		if (blank + word > (size_t)(end - text))
			break;
		if (word > 0)
			add_option(m, text + blank, word);
		text += blank + word + 1;
	}
}

/* The value on top of the stack. */
static void add_options_of(struct reef_http_message *m) {
	size_t n;
	const char *text = luaL_tolstring(m->L, -1, &n);
	if (has_break(text, n))
		reef_http_message_fail(m->L, "http: the field %s has a line break or a zero byte in its value", "connection");
	add_options(m, text, n);
	lua_pop(m->L, 1);
}

static void add_connection(struct reef_http_message *m, const char *own, size_t n) {
	lua_State *L = m->L;
	if (lua_istable(L, REEF_MESSAGE_FOUND_CONNECTION)) {
		for (lua_Integer i = 1; lua_rawgeti(L, REEF_MESSAGE_FOUND_CONNECTION, i) != LUA_TNIL; i++) {
			add_options_of(m);
			lua_pop(L, 1);
		}
		lua_pop(L, 1);
	} else if (!lua_isnil(L, REEF_MESSAGE_FOUND_CONNECTION)) {
		lua_pushvalue(L, REEF_MESSAGE_FOUND_CONNECTION);
		add_options_of(m);
		lua_pop(L, 1);
	}
	bool closes = m->closes;
	add_options(m, own, n);
	if (m->closes || m->keeps) {
		const char *word = m->closes ? "close" : "keep-alive";
		reef_http_message_add(m, m->has_options ? ", " : "connection: ", m->has_options ? 2 : 12);
		reef_http_message_add(m, word, strlen(word));
		m->has_options = true;
	}
	if (m->has_options)
		reef_http_message_add(m, "\r\n", 2);
	m->closes = closes;
}

void reef_http_message_add_lines(struct reef_http_message *m, const char *more, size_t n) {
	const char *own = "";
	size_t own_size = 0;
	for (const char *end = more + n, *next; more < end; more = next) {
		next = memchr(more, '\n', (size_t)(end - more));
		next = next ? next + 1 : end;
		const char *colon = memchr(more, ':', (size_t)(next - more));
		enum reef_http_field_kind kind = colon ? reef_http_field_kind(more, (size_t)(colon - more)) : REEF_HTTP_LIST;
		if (kind == REEF_HTTP_CONNECTION) {
			own = colon + 1;
			own_size = (size_t)(next - own);
		} else if (!(m->found & kind))
			reef_http_message_add(m, more, (size_t)(next - more));
	}
	if (own_size > 0 || (m->found & REEF_HTTP_CONNECTION))
		add_connection(m, own, own_size);
}
