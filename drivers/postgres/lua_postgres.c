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

/* An operation is about to begin, which finds the connection in that phase. */
static struct reef_postgres_connection *lua_postgres_begin(lua_State *L, struct reef_sql_connection *sql,
														   enum reef_postgres_phase phase) {
	struct reef_postgres_connection *c = (struct reef_postgres_connection *)sql;
	if (c->phase != phase)
		luaL_error(L, phase == REEF_POSTGRES_PAUSING ? "postgres: there are no rows to be read"
													 : "postgres: this connection is in use");
	return c;
}

/* (options as libpq names them) -> connection, which begins to connect by connection:connect() */
static int lua_postgres_new(lua_State *L) {
	const char *names[MOST_OPTIONS + 1], *values[MOST_OPTIONS + 1];
	int n = 0;
	luaL_checktype(L, 1, LUA_TTABLE);
	struct reef_postgres_connection *c = lua_newuserdatauv(L, sizeof *c, REEF_POSTGRES_VALUES);
	memset(c, 0, sizeof *c);
	reef_sql_connection_init(L, &c->sql, &reef_postgres_driver);
	luaL_setmetatable(L, CLASS);
	lua_insert(L, 1);
	lua_settop(L, 2);
	lua_pushnil(L);
	while (lua_next(L, 2) && n < MOST_OPTIONS) {
		luaL_argcheck(L, lua_type(L, -2) == LUA_TSTRING && lua_type(L, -1) == LUA_TSTRING, 2,
					  "names and values have to be strings");
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

/* ---- operations ---- */

#define ARGUMENT(n) (REEF_SQL_AT_ARGUMENTS - 1 + (n))

static int lua_postgres_connect(lua_State *L, struct reef_sql_connection *sql) {
	return reef_postgres_connect(L, lua_postgres_begin(L, sql, REEF_POSTGRES_CONNECTING));
}

/* Takes the values as parameters; how many. */
static int lua_postgres_parameters(lua_State *L, struct reef_postgres_connection *c) {
	int count = reef_sql_look_at_arguments(L, &c->sql);
	if (count > 0)
		reef_postgres_parameters_set(L, &c->parameters, c->sql.values, count);
	return count;
}

/* query(sql, compact, stream, parameters...): without parameters `sql` may be several statements */
static int lua_postgres_query(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_postgres_connection *c = lua_postgres_begin(L, sql, REEF_POSTGRES_IDLE);
	size_t size;
	const char *text = luaL_checklstring(L, sql->statement, &size);
	if (strlen(text) != size)
		return luaL_error(L, "postgres: a query has a zero byte");
	int count = lua_postgres_parameters(L, c);
	const struct reef_postgres_parameters *p = &c->parameters;
	int sent = count == 0 ? PQsendQuery(c->pg, text)
						  : PQsendQueryParams(c->pg, text, count, NULL, p->values, p->sizes, p->formats, 0);
	return reef_postgres_begin(L, c, sent);
}

/* prepare(name, sql) */
static int lua_postgres_prepare(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_postgres_connection *c = lua_postgres_begin(L, sql, REEF_POSTGRES_IDLE);
	sql->stream = false;
	return reef_postgres_begin(
			L, c, PQsendPrepare(c->pg, luaL_checkstring(L, ARGUMENT(1)), luaL_checkstring(L, ARGUMENT(2)), 0, NULL));
}

/* execute(name, compact, stream, parameters...) */
static int lua_postgres_execute(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_postgres_connection *c = lua_postgres_begin(L, sql, REEF_POSTGRES_IDLE);
	const char *name = luaL_checkstring(L, sql->statement);
	int count = lua_postgres_parameters(L, c);
	const struct reef_postgres_parameters *p = &c->parameters;
	return reef_postgres_begin(L, c, PQsendQueryPrepared(c->pg, name, count, p->values, p->sizes, p->formats, 0));
}

/* fetch(most rows, most bytes [, drop]): the next rows of a stream, and whether there may be more */
static int lua_postgres_fetch(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_postgres_connection *c = lua_postgres_begin(L, sql, REEF_POSTGRES_PAUSING);
	c->most_rows = luaL_checkinteger(L, ARGUMENT(1));
	c->most_bytes = luaL_checkinteger(L, ARGUMENT(2));
	c->drop = c->drop || (sql->last >= ARGUMENT(3) && lua_toboolean(L, ARGUMENT(3)));
	return reef_postgres_begin_part(L, c);
}

/* listen(): the next notification */
static int lua_postgres_listen(lua_State *L, struct reef_sql_connection *sql) {
	return reef_postgres_listen(L, lua_postgres_begin(L, sql, REEF_POSTGRES_IDLE));
}

/* ---- what it is ---- */

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
	struct reef_postgres_connection *c = luaL_checkudata(L, 1, CLASS);
	if (!reef_sql_close_later(&c->sql))
		reef_postgres_close(c);
	return 0;
}

static int lua_postgres_gc(lua_State *L) {
	struct reef_postgres_connection *c = luaL_checkudata(L, 1, CLASS);
	reef_postgres_close(c);
	reef_sql_names_fini(&c->names);
	reef_postgres_parameters_fini(&c->parameters);
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
			{"info", lua_postgres_info},
			{"transaction", lua_postgres_transaction},
			{"quote", lua_postgres_quote},
			{"alive", reef_sql_alive},
			{"idle", reef_sql_idle},
			{"close", lua_postgres_close},
			{NULL, NULL},
	};
	static const struct reef_sql_operation operations[] = {
			{"connect", lua_postgres_connect, REEF_SQL_OTHER, &reef_postgres_driver},
			{"query", lua_postgres_query, REEF_SQL_TEXT, &reef_postgres_driver},
			{"prepare", lua_postgres_prepare, REEF_SQL_OTHER, &reef_postgres_driver},
			{"execute", lua_postgres_execute, REEF_SQL_PREPARED, &reef_postgres_driver},
			{"fetch", lua_postgres_fetch, REEF_SQL_OTHER, &reef_postgres_driver},
			{"listen", lua_postgres_listen, REEF_SQL_OTHER, &reef_postgres_driver},
			{NULL, NULL, REEF_SQL_OTHER, NULL},
	};
	static const luaL_Reg functions[] = {{"new", lua_postgres_new}, {NULL, NULL}};
	luaL_newmetatable(L, CLASS);
	reef_sql_mark_class(L);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, lua_postgres_gc);
	lua_setfield(L, -2, "__gc");
	luaL_newlib(L, functions);
	reef_sql_push_operations(L, operations);
	lua_setfield(L, -2, "operations");
	return 1;
}
