/* `reef.http.core`: parsers as Lua values. */
#include "drivers/http/lua_http.h"

#include <lauxlib.h>
#include <string.h>

#include "drivers/http/lua_message.h"
#include "drivers/http/parser.h"

#define PARSER "reef.http.parser"
#define NAME_SIZE 64 /* bytes of a name that is lower-cased without a buffer of its own */

struct value {
	struct reef_http_parser parser;
	bool response;
};

static struct value *lua_http_check(lua_State *L) {
	return luaL_checkudata(L, 1, PARSER);
}

static lua_Integer lua_http_limit(lua_State *L, const char *name, lua_Integer most) {
	lua_getfield(L, 2, name);
	lua_Integer n = luaL_checkinteger(L, -1);
	if (n < 0)
		luaL_error(L, "http: the limit `%s` is negative", name);
	lua_pop(L, 1);
	return n < most ? n : most;
}

/* (response, {head = bytes, fields = count, body = bytes}) -> parser */
static int lua_http_new(lua_State *L) {
	luaL_checktype(L, 2, LUA_TTABLE);
	struct reef_http_limits limits = {
			.head = (size_t)lua_http_limit(L, "head", 1 << 30),
			.fields = (uint32_t)lua_http_limit(L, "fields", 1 << 20),
			.body = (uint64_t)lua_http_limit(L, "body", INT64_MAX),
	};
	struct value *v = lua_newuserdatauv(L, sizeof *v, 0);
	v->response = lua_toboolean(L, 1);
	reef_http_parser_init(&v->parser, v->response, &limits);
	luaL_setmetatable(L, PARSER);
	return 1;
}

static int lua_http_gc(lua_State *L) {
	struct value *v = lua_http_check(L);
	reef_http_parser_fini(&v->parser);
	reef_http_parser_init(&v->parser, v->response, &(struct reef_http_limits){0});
	return 0;
}

/* After feeding: done; or nil, what a server answers, and why. */
static int outcome(lua_State *L, const struct reef_http_parser *p) {
	if (p->error == NULL) {
		lua_pushboolean(L, p->done);
		return 1;
	}
	lua_pushnil(L);
	lua_pushinteger(L, p->status);
	lua_pushstring(L, p->error);
	return 3;
}

/* parser:feed(bytes [, from]) -> done, where it stopped; or nil, status, why */
static int lua_http_feed(lua_State *L) {
	struct reef_http_parser *p = &lua_http_check(L)->parser;
	size_t n;
	const char *bytes = luaL_checklstring(L, 2, &n);
	lua_Integer from = luaL_optinteger(L, 3, 1);
	luaL_argcheck(L, from >= 1 && (size_t)from <= n + 1, 3, "out of range");
	size_t skip = (size_t)from - 1;
	size_t taken = reef_http_parser_feed(p, bytes + skip, n - skip);
	int results = outcome(L, p);
	if (results > 1)
		return results;
	lua_pushinteger(L, from + (lua_Integer)taken);
	return 2;
}

/* parser:finish() -> done; or nil, status, why */
static int l_finish(lua_State *L) {
	struct reef_http_parser *p = &lua_http_check(L)->parser;
	reef_http_parser_end(p);
	return outcome(L, p);
}

/* parser:next([most bytes of a body]) */
static int lua_http_next(lua_State *L) {
	struct reef_http_parser *p = &lua_http_check(L)->parser;
	if (!lua_isnoneornil(L, 2)) {
		lua_Integer most = luaL_checkinteger(L, 2);
		luaL_argcheck(L, most >= 0, 2, "negative");
		p->limits.body = (uint64_t)most;
	}
	reef_http_parser_next(p);
	return 0;
}

/* parser:no_body(): the next response has none, whatever it says */
static int l_no_body(lua_State *L) {
	lua_http_check(L)->parser.no_body = true;
	return 0;
}

/* ---- the head ---- */

static void push_lower(lua_State *L, const char *name, size_t n) {
	char small[NAME_SIZE];
	luaL_Buffer buffer;
	char *to = n <= sizeof small ? small : luaL_buffinitsize(L, &buffer, n);
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
	if (to == small)
		lua_pushlstring(L, small, n);
	else
		luaL_pushresultsize(&buffer, n);
}

/* With the table below and the name and the value on top. Takes both. */
static void add_field(lua_State *L) {
	lua_pushvalue(L, -2);
	int found = lua_rawget(L, -4);
	if (found == LUA_TNIL) {
		lua_pop(L, 1);
		lua_rawset(L, -3);
		return;
	}
	if (found == LUA_TSTRING) {
		lua_createtable(L, 2, 0);
		lua_insert(L, -2);
		lua_rawseti(L, -2, 1);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -2);
		lua_rawset(L, -6);
	}
	lua_insert(L, -2);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 2);
}

static void push_start(lua_State *L, const struct value *v) {
	const struct reef_http_parser *p = &v->parser;
	if (v->response)
		lua_pushinteger(L, p->llhttp.status_code);
	else
		lua_pushstring(L, llhttp_method_name((llhttp_method_t)p->llhttp.method));
	lua_pushlstring(L, p->start_size ? p->text : "", p->start_size);
}

static void push_fields(lua_State *L, const struct reef_http_parser *p, uint32_t from, uint32_t to) {
	lua_createtable(L, 0, (int)(to - from));
	for (uint32_t i = from; i < to; i++) {
		const struct reef_http_field *f = &p->fields[i];
		push_lower(L, p->text + f->name, f->name_size);
		lua_pushlstring(L, p->text + f->value, f->value_size);
		add_field(L);
	}
}

/* parser:head() -> nil before it is complete; of a request: method, target, fields, minor version, whether another may
 * follow, whether a body does, whether it asks for another protocol; of a response: status, reason, and the same. Names
 * are in lower case; the values of one that occurs repeatedly are an array. */
static int l_head(lua_State *L) {
	struct value *v = lua_http_check(L);
	const struct reef_http_parser *p = &v->parser;
	if (!p->head_done)
		return 0;
	push_start(L, v);
	push_fields(L, p, 0, p->head_count);
	lua_pushinteger(L, p->llhttp.http_minor);
	lua_pushboolean(L, p->keep_alive);
	lua_pushboolean(L, p->has_body);
	lua_pushboolean(L, p->upgrade);
	return 7;
}

/* parser:whole(bytes [, from]) feeds, too -> where it stopped, and method, target, fields, body, minor version, whether
 * another may follow; false: more is needed, all bytes were taken; or nil, status, why */
static int l_whole(lua_State *L) {
	struct value *v = lua_http_check(L);
	struct reef_http_parser *p = &v->parser;
	size_t n;
	const char *bytes = luaL_checklstring(L, 2, &n);
	lua_Integer from = luaL_optinteger(L, 3, 1);
	luaL_argcheck(L, from >= 1 && (size_t)from <= n + 1, 3, "out of range");
	size_t skip = (size_t)from - 1;
	size_t taken = reef_http_parser_feed(p, bytes + skip, n - skip);
	if (p->error || !p->done)
		return outcome(L, p);
	lua_pushinteger(L, from + (lua_Integer)taken);
	push_start(L, v);
	push_fields(L, p, 0, p->head_count);
	lua_pushlstring(L, p->body_size ? p->body : "", p->body_size);
	p->body_size = 0;
	lua_pushinteger(L, p->llhttp.http_minor);
	lua_pushboolean(L, p->keep_alive);
	return 7;
}

/* parser:trailers() -> the fields behind the body; nil: there are none, or not yet */
static int l_trailers(lua_State *L) {
	const struct reef_http_parser *p = &lua_http_check(L)->parser;
	if (!p->done || p->count == p->head_count)
		return 0;
	push_fields(L, p, p->head_count, p->count);
	return 1;
}

/* parser:body() -> what has come of it since the last call */
static int l_body(lua_State *L) {
	struct reef_http_parser *p = &lua_http_check(L)->parser;
	lua_pushlstring(L, p->body_size ? p->body : "", p->body_size);
	p->body_size = 0;
	return 1;
}

int reef_open_http_core(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"feed", lua_http_feed}, {"finish", l_finish},     {"next", lua_http_next},
			{"no_body", l_no_body},  {"head", l_head},         {"whole", l_whole},
			{"body", l_body},        {"trailers", l_trailers}, {NULL, NULL},
	};
	if (luaL_newmetatable(L, PARSER)) {
		luaL_newlib(L, methods);
		lua_setfield(L, -2, "__index");
		lua_pushcfunction(L, lua_http_gc);
		lua_setfield(L, -2, "__gc");
	}
	lua_pop(L, 1);
	lua_createtable(L, 0, 3);
	lua_pushcfunction(L, lua_http_new);
	lua_setfield(L, -2, "parser");
	reef_lua_message_set(L);
	return 1;
}
