/* See lua_postgres.h. Who calls has looked at the options already (reef.postgres.options). */
#include "lua_postgres.h"

#include <lauxlib.h>
#include <string.h>

#include "column.h"
#include "connection.h"

#define CLASS "reef.postgres.connection"
#define MOST_OPTIONS 64

static struct reef_postgres_connection *lua_postgres_check(lua_State *L) {
	struct reef_postgres_connection *c = luaL_checkudata(L, 1, CLASS);
	if (c->pg == NULL)
		luaL_error(L, "postgres: this connection is closed");
	return c;
}

static struct reef_postgres_connection *lua_postgres_idle(lua_State *L) {
	struct reef_postgres_connection *c = lua_postgres_check(L);
	if (c->phase != REEF_POSTGRES_IDLE)
		luaL_error(L, "postgres: this connection is in use");
	return c;
}

/* (options as libpq names them) -> connection, which begins to connect by connection:connect() */
static int lua_postgres_new(lua_State *L) {
	const char *names[MOST_OPTIONS + 1], *values[MOST_OPTIONS + 1];
	int n = 0;
	luaL_checktype(L, 1, LUA_TTABLE);
	struct reef_postgres_connection *c = lua_newuserdatauv(L, sizeof *c, REEF_POSTGRES_VALUES);
	memset(c, 0, sizeof *c);
	luaL_setmetatable(L, CLASS);
	lua_insert(L, 1);
	lua_settop(L, 2);
	lua_pushnil(L);
	while (lua_next(L, 2) && n < MOST_OPTIONS) {
		names[n] = lua_tostring(L, -2);
		values[n++] = lua_tostring(L, -1);
		lua_pop(L, 1);
	}
	names[n] = values[n] = NULL;
	c->pg = PQconnectStartParams(names, values, 0);
	if (c->pg == NULL)
		return luaL_error(L, "postgres: out of memory for a connection");
	c->phase = REEF_POSTGRES_CONNECTING;
	lua_settop(L, 1);
	return 1;
}

static int lua_postgres_connect(lua_State *L) {
	struct reef_postgres_connection *c = lua_postgres_check(L);
	if (PQstatus(c->pg) == CONNECTION_BAD)
		return reef_postgres_go(L, c, "w");
	lua_pushliteral(L, "w");
	return 1;
}

/* What was given to libpq to be sent is on its way, or the connection is lost. */
static int lua_postgres_sent(lua_State *L, struct reef_postgres_connection *c, int sent) {
	if (!sent) {
		lua_pushnil(L);
		lua_pushnil(L);
		lua_pushstring(L, PQerrorMessage(c->pg));
		return 3;
	}
	if (c->stream)
		PQsetSingleRowMode(c->pg);
	return reef_postgres_begin(L, c, REEF_POSTGRES_SENDING);
}

/* connection:query(sql, compact, stream, parameters...): without parameters `sql` may be several statements */
static int lua_postgres_query(lua_State *L) {
	struct reef_postgres_connection *c = lua_postgres_idle(L);
	const char *sql = luaL_checkstring(L, 2);
	int count = lua_gettop(L) - 4;
	c->compact = lua_toboolean(L, 3);
	c->stream = lua_toboolean(L, 4);
	if (count <= 0)
		return lua_postgres_sent(L, c, PQsendQuery(c->pg, sql));
	struct reef_postgres_parameters p;
	reef_postgres_parameters(L, &p, 5, count);
	return lua_postgres_sent(L, c, PQsendQueryParams(c->pg, sql, count, NULL, p.values, p.sizes, p.formats, 0));
}

/* connection:prepare(name, sql) */
static int lua_postgres_prepare(lua_State *L) {
	struct reef_postgres_connection *c = lua_postgres_idle(L);
	c->stream = false;
	return lua_postgres_sent(L, c, PQsendPrepare(c->pg, luaL_checkstring(L, 2), luaL_checkstring(L, 3), 0, NULL));
}

/* connection:execute(name, compact, stream, parameters...) */
static int lua_postgres_execute(lua_State *L) {
	struct reef_postgres_connection *c = lua_postgres_idle(L);
	const char *name = luaL_checkstring(L, 2);
	int count = lua_gettop(L) - 4;
	struct reef_postgres_parameters p;
	c->compact = lua_toboolean(L, 3);
	c->stream = lua_toboolean(L, 4);
	luaL_argcheck(L, count >= 0, 4, "missing");
	reef_postgres_parameters(L, &p, 5, count);
	return lua_postgres_sent(L, c, PQsendQueryPrepared(c->pg, name, count, p.values, p.sizes, p.formats, 0));
}

/* connection:fetch(most rows, most bytes [, drop]): the next rows of a stream, and whether there may be more */
static int lua_postgres_fetch(lua_State *L) {
	struct reef_postgres_connection *c = lua_postgres_check(L);
	if (c->phase != REEF_POSTGRES_PAUSING)
		return luaL_error(L, "postgres: there are no rows to be read");
	c->most_rows = luaL_checkinteger(L, 2);
	c->most_bytes = luaL_checkinteger(L, 3);
	c->drop = c->drop || lua_toboolean(L, 4);
	return reef_postgres_begin(L, c, REEF_POSTGRES_READING);
}

/* connection:listen(): the next notification */
static int lua_postgres_listen(lua_State *L) {
	return reef_postgres_begin(L, lua_postgres_idle(L), REEF_POSTGRES_LISTENING);
}

/* connection:unlisten(): nobody waits for a notification any more */
static int lua_postgres_unlisten(lua_State *L) {
	struct reef_postgres_connection *c = lua_postgres_check(L);
	if (c->phase == REEF_POSTGRES_LISTENING)
		c->phase = REEF_POSTGRES_IDLE;
	return 0;
}

static int lua_postgres_go(lua_State *L) {
	struct reef_postgres_connection *c = lua_postgres_check(L);
	if (c->phase == REEF_POSTGRES_IDLE || c->phase == REEF_POSTGRES_PAUSING)
		return luaL_error(L, "postgres: nothing waits");
	return reef_postgres_go(L, c, lua_tostring(L, 2));
}

static int lua_postgres_fd(lua_State *L) {
	lua_pushinteger(L, PQsocket(lua_postgres_check(L)->pg));
	return 1;
}

static int lua_postgres_is_idle(lua_State *L) {
	struct reef_postgres_connection *c = luaL_checkudata(L, 1, CLASS);
	lua_pushboolean(L, c->phase == REEF_POSTGRES_IDLE || c->phase == REEF_POSTGRES_PAUSING);
	return 1;
}

/* Has the server ended it while nobody asked anything? */
static int lua_postgres_alive(lua_State *L) {
	struct reef_postgres_connection *c = luaL_checkudata(L, 1, CLASS);
	lua_pushboolean(L, c->pg && PQconsumeInput(c->pg) && PQstatus(c->pg) == CONNECTION_OK);
	return 1;
}

static int lua_postgres_info(lua_State *L) {
	PGconn *pg = lua_postgres_check(L)->pg;
	lua_createtable(L, 0, 3);
	lua_pushstring(L, PQparameterStatus(pg, "server_version"));
	lua_setfield(L, -2, "version");
	lua_pushinteger(L, PQbackendPID(pg));
	lua_setfield(L, -2, "id");
	lua_pushstring(L, PQsslInUse(pg) ? PQsslAttribute(pg, "cipher") : NULL);
	lua_setfield(L, -2, "cipher");
	return 1;
}

/* -> "idle"; within a transaction "open" or "failed" */
static int lua_postgres_transaction(lua_State *L) {
	static const char *const names[] = {"idle", "active", "open", "failed", "unknown"};
	lua_pushstring(L, names[PQtransactionStatus(lua_postgres_check(L)->pg)]);
	return 1;
}

static int lua_postgres_close(lua_State *L) {
	reef_postgres_close(luaL_checkudata(L, 1, CLASS));
	return 0;
}

/* connection:quote(text [, "name"]) -> a literal, or an identifier */
static int lua_postgres_quote(lua_State *L) {
	PGconn *pg = lua_postgres_check(L)->pg;
	size_t size;
	const char *text = luaL_checklstring(L, 2, &size);
	luaL_argcheck(L, strlen(text) == size, 2, "a zero byte");
	char *quoted = lua_toboolean(L, 3) ? PQescapeIdentifier(pg, text, size) : PQescapeLiteral(pg, text, size);
	if (quoted == NULL)
		return luaL_error(L, "postgres: %s", PQerrorMessage(pg));
	lua_pushstring(L, quoted);
	PQfreemem(quoted);
	return 1;
}

int reef_open_postgres(lua_State *L) {
	static const luaL_Reg methods[] = {
			{"connect", lua_postgres_connect},
			{"query", lua_postgres_query},
			{"prepare", lua_postgres_prepare},
			{"execute", lua_postgres_execute},
			{"fetch", lua_postgres_fetch},
			{"listen", lua_postgres_listen},
			{"unlisten", lua_postgres_unlisten},
			{"go", lua_postgres_go},
			{"fd", lua_postgres_fd},
			{"idle", lua_postgres_is_idle},
			{"alive", lua_postgres_alive},
			{"info", lua_postgres_info},
			{"transaction", lua_postgres_transaction},
			{"quote", lua_postgres_quote},
			{"close", lua_postgres_close},
			{NULL, NULL},
	};
	static const luaL_Reg functions[] = {{"new", lua_postgres_new}, {NULL, NULL}};
	luaL_newmetatable(L, CLASS);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, lua_postgres_close);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, functions);
	return 1;
}
