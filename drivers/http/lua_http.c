/* `reef.http.core`: parsers as Lua values. A parser may read from a socket itself: then what comes goes right into it. */
#include "drivers/http/lua_http.h"

#include <lauxlib.h>
#include <string.h>

#include "drivers/http/lua_fields.h"
#include "drivers/http/lua_handle.h"
#include "drivers/http/lua_message.h"
#include "drivers/http/parser.h"
#include "sharetable/overlay/model.h"
#include "socket/lua/readers.h"

#define PARSER "reef.http.parser"

/* What requests are made after, the parser's user value, and where in it what goes. */
struct model {
	const void *table; /* NULL: there is none */
	int method, url, packed, version;
};

struct value {
	struct reef_http_parser parser;
	bool response;
	bool made; /* a whole request is wanted as a table */
	struct model model;
	struct reef_taker taker;
};

static struct value *lua_http_check(lua_State *L) {
	return reef_lua_handle(L, PARSER);
}

/* ---- what comes of it ---- */

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

static void push_start(lua_State *L, const struct value *v) {
	const struct reef_http_parser *p = &v->parser;
	if (v->response)
		lua_pushinteger(L, p->llhttp.status_code);
	else
		lua_pushstring(L, llhttp_method_name((llhttp_method_t)p->llhttp.method));
	lua_pushlstring(L, p->start_size ? p->text : "", p->start_size);
}

/* A server has to look at its fields. */
static bool is_special(const struct reef_http_parser *p) {
	return p->expects || p->hosts == 0;
}

/* A message that is complete: method or status, target or reason, fields, body, minor version, whether another may follow,
 * and, of a request, whether it is special. */
static int push_whole(lua_State *L, struct value *v) {
	struct reef_http_parser *p = &v->parser;
	push_start(L, v);
	reef_lua_fields_push(L, p, 0, p->head_count);
	lua_pushlstring(L, p->body_size ? p->body : "", p->body_size);
	p->body_size = 0;
	lua_pushinteger(L, p->llhttp.http_minor);
	lua_pushboolean(L, p->keep_alive);
	lua_pushboolean(L, is_special(p));
	return 7;
}

/* A request that is complete and not special: as a table like the model, its fields packed; whether it is plain, which is
 * answered by a body on a connection that goes on; its body, nil if that is empty; whether another may follow. */
static int push_request(lua_State *L, struct value *v) {
	struct reef_http_parser *p = &v->parser;
	const struct model *model = &v->model;
	const void *request = reef_model_push(L, model->table);
	lua_pushstring(L, llhttp_method_name((llhttp_method_t)p->llhttp.method));
	reef_model_put(L, request, model->method);
	lua_pushlstring(L, p->text, p->start_size);
	reef_model_put(L, request, model->url);
	reef_lua_fields_pack(L, p);
	reef_model_put(L, request, model->packed);
	if (p->llhttp.http_minor == 0) {
		lua_pushliteral(L, "1.0");
		reef_model_put(L, request, model->version);
	}
	lua_pushboolean(L, p->keep_alive && p->llhttp.http_minor == 1 && p->llhttp.method != HTTP_HEAD &&
							   p->llhttp.method != HTTP_CONNECT);
	if (p->body_size > 0)
		lua_pushlstring(L, p->body, p->body_size);
	else
		lua_pushnil(L);
	p->body_size = 0;
	lua_pushboolean(L, p->keep_alive);
	return 4;
}

static struct value *value_of(struct reef_taker *taker) {
	return (struct value *)(void *)((char *)taker - offsetof(struct value, taker));
}

static size_t http_take(struct reef_taker *taker, const char *bytes, size_t n, bool *enough) {
	*enough = true;
	return reef_http_parser_feed(&value_of(taker)->parser, bytes, n);
}

static int http_give(struct reef_taker *taker, lua_State *L, bool over) {
	struct value *v = value_of(taker);
	const struct reef_http_parser *p = &v->parser;
	bool whole = !over && !p->error && p->done;
	if (v->made && whole && !is_special(p))
		return push_request(L, v);
	if (v->made)
		lua_pushnil(L);
	if (over)
		lua_pushnil(L);
	return v->made + (over ? 1 : whole ? push_whole(L, v) : outcome(L, p));
}

/* ---- ---- */

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
	struct value *v = lua_newuserdatauv(L, sizeof *v, 1);
	memset(v, 0, sizeof *v);
	v->response = lua_toboolean(L, 1);
	v->taker = (struct reef_taker){.take = http_take, .give = http_give};
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

/* The next message, whose body has at most as many bytes as the argument says. */
static void next_message(lua_State *L, struct reef_http_parser *p, int most_at) {
	if (!lua_isnoneornil(L, most_at)) {
		lua_Integer most = luaL_checkinteger(L, most_at);
		luaL_argcheck(L, most >= 0, most_at, "negative");
		p->limits.body = (uint64_t)most;
	}
	reef_http_parser_next(p);
}

/* parser:next([most bytes of a body]) */
static int lua_http_next(lua_State *L) {
	next_message(L, &lua_http_check(L)->parser, 2);
	return 0;
}

/* parser:no_body(): the next response has none, whatever it says */
static int l_no_body(lua_State *L) {
	lua_http_check(L)->parser.no_body = true;
	return 0;
}

/* ---- the head ---- */

/* parser:head() -> nil before it is complete; of a request: method, target, fields, minor version, whether another may
 * follow, whether a body does, whether it asks for another protocol; of a response: status, reason, and the same. Names
 * are in lower case; the values of one that occurs repeatedly are an array. */
static int l_head(lua_State *L) {
	struct value *v = lua_http_check(L);
	const struct reef_http_parser *p = &v->parser;
	if (!p->head_done)
		return 0;
	push_start(L, v);
	reef_lua_fields_push(L, p, 0, p->head_count);
	lua_pushinteger(L, p->llhttp.http_minor);
	lua_pushboolean(L, p->keep_alive);
	lua_pushboolean(L, p->has_body);
	lua_pushboolean(L, p->upgrade);
	return 7;
}

/* parser:whole(bytes [, from]) feeds, too -> where it stopped, and what push_whole says; false: more is needed, all bytes were taken; or nil, status, why */
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
	return 1 + push_whole(L, v);
}

static int wait_for_message(lua_State *L, struct value *v, bool made) {
	v->made = made;
	return reef_reader_take(L, lua_upvalueindex(REEF_HTTP_READERS), (int)luaL_checkinteger(L, 2), &v->taker);
}

/* parser:read(socket [, most bytes of a body]) begins with the next message and waits for bytes of it -> what push_whole says;
 * false: it has not come to its end yet; nil: the stream has; or nil, status, why */
static int l_read(lua_State *L) {
	struct value *v = lua_http_check(L);
	next_message(L, &v->parser, 3);
	return wait_for_message(L, v, false);
}

static int model_place(lua_State *L, const void *table, const char *key) {
	lua_pushstring(L, key);
	int place = reef_model_place(L, table);
	lua_pop(L, 1);
	if (place < 0)
		luaL_error(L, "http: the model has no field %s", key);
	return place;
}

/* parser:model(table): requests are made after a copy of it; it has method, url, packed and version = "1.1" */
static int l_model(lua_State *L) {
	struct value *v = lua_http_check(L);
	luaL_checktype(L, 2, LUA_TTABLE);
	const void *table = lua_topointer(L, 2);
	struct model model = {
			.method = model_place(L, table, "method"),
			.url = model_place(L, table, "url"),
			.packed = model_place(L, table, "packed"),
			.version = model_place(L, table, "version"),
	};
	model.table = reef_model_push(L, table); /* which nobody else gets, and so no other key */
	lua_setiuservalue(L, 1, 1);
	v->model = model;
	return 0;
}

/* parser:request(socket) does as `read` -> what push_request says, if it is such a request; else nil, and what `read` says */
static int l_request(lua_State *L) {
	struct value *v = lua_http_check(L);
	if (v->model.table == NULL)
		return luaL_error(L, "http: this parser has no model");
	reef_http_parser_next(&v->parser);
	return wait_for_message(L, v, true);
}

/* parser:trailers() -> the fields behind the body; nil: there are none, or not yet */
static int l_trailers(lua_State *L) {
	const struct reef_http_parser *p = &lua_http_check(L)->parser;
	if (!p->done || p->count == p->head_count)
		return 0;
	reef_lua_fields_push(L, p, p->head_count, p->count);
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
			{"feed", lua_http_feed}, {"finish", l_finish}, {"next", lua_http_next}, {"no_body", l_no_body},
			{"head", l_head},        {"whole", l_whole},   {"body", l_body},        {"trailers", l_trailers},
			{"read", l_read},        {"model", l_model},   {"request", l_request},  {NULL, NULL},
	};
	lua_createtable(L, 0, 5);
	reef_lua_handle_methods(L, PARSER, methods, sizeof methods / sizeof *methods, lua_http_gc);
	lua_setfield(L, -2, "methods");
	lua_pushcfunction(L, lua_http_new);
	lua_setfield(L, -2, "parser");
	lua_pushcfunction(L, reef_lua_fields_unpack);
	lua_setfield(L, -2, "fields");
	reef_lua_message_set(L);
	return 1;
}
