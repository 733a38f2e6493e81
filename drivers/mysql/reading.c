/* See reading.h. */
#include "reading.h"

#include <lauxlib.h>
#include <string.h>

#define BURST 4000 /* rows after which the service's other messages have their turn */
#define CLIENT_ERRORS(e) (((e) >= 2000 && (e) < 3000) || ((e) >= 5000 && (e) < 6000))

#define AT(c, value) ((c)->sql.base + REEF_MYSQL_##value)

/* ---- results ---- */

static void reading_push_ok(lua_State *L, const struct reef_mysql_connection *c) {
	MYSQL *mysql = c->calls.mysql;
	lua_createtable(L, 0, 5);
	lua_Integer affected = (lua_Integer)(c->stmt ? mysql_stmt_affected_rows(c->stmt) : mysql_affected_rows(mysql));
	lua_pushinteger(L, affected < 0 ? 0 : affected);
	lua_setfield(L, -2, "affected_rows");
	lua_pushinteger(L, (lua_Integer)(c->stmt ? mysql_stmt_insert_id(c->stmt) : mysql_insert_id(mysql)));
	lua_setfield(L, -2, "insert_id");
	lua_pushinteger(L, mysql->server_status);
	lua_setfield(L, -2, "server_status");
	lua_pushinteger(L, mysql_warning_count(mysql));
	lua_setfield(L, -2, "warning_count");
	const char *message = mysql_info(mysql);
	if (message && *message) {
		lua_pushstring(L, message);
		lua_setfield(L, -2, "message");
	}
}

/* Ends the operation with the `n` values on the top. */
static enum reef_mysql_call reading_done(struct reef_mysql_connection *c, int n) {
	c->sql.pushed = n;
	c->state = REEF_SQL_OVER;
	return REEF_MYSQL_NO_CALL;
}

static void reading_mark_several(lua_State *L, const struct reef_mysql_connection *c) {
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, c->stmt ? "mulitresultset" : "multiresultset");
}

/* Ends it with all results. */
static enum reef_mysql_call reading_finish(lua_State *L, struct reef_mysql_connection *c) {
	c->streaming = false;
	lua_pushvalue(L, AT(c, RESULTS));
	if (c->results > 1)
		reading_mark_several(L, c);
	return reading_done(c, 1);
}

void reef_mysql_free_result(struct reef_mysql_connection *c) {
	MYSQL_RES *result = c->calls.result;
	c->calls.result = NULL;
	if (result)
		mysql_free_result(result);
}

/* Lets go of what a stream has kept. */
static void reading_end_stream(lua_State *L, struct reef_mysql_connection *c) {
	if (!c->streaming)
		return;
	c->streaming = false;
	for (int i = REEF_MYSQL_STREAM_NAMES; i <= REEF_MYSQL_STREAM_OF; i++) {
		lua_pushnil(L);
		lua_setiuservalue(L, c->sql.self, i);
	}
}

/* A call has failed: the server says no, or the connection is lost. */
static enum reef_mysql_call reading_failed(lua_State *L, struct reef_mysql_connection *c) {
	MYSQL *mysql = c->calls.mysql;
	unsigned number = c->stmt ? mysql_stmt_errno(c->stmt) : 0;
	const char *text = number ? mysql_stmt_error(c->stmt) : mysql_error(mysql);
	const char *state = number ? mysql_stmt_sqlstate(c->stmt) : mysql_sqlstate(mysql);
	if (number == 0)
		number = mysql_errno(mysql);
	if (CLIENT_ERRORS(number) || number == 0) {
		lua_pushstring(L, number ? text : "libmariadb has failed and does not say why");
		lua_pushinteger(L, number);
		c->state = REEF_SQL_LOST;
		return REEF_MYSQL_NO_CALL;
	}
	if (c->results > 0 && !c->streaming) {
		if (c->results == 1) {
			lua_createtable(L, 1, 5);
			lua_pushvalue(L, AT(c, RESULTS));
			lua_rawseti(L, -2, 1);
		} else {
			lua_pushvalue(L, AT(c, RESULTS));
		}
		reading_mark_several(L, c);
	} else {
		lua_createtable(L, 0, 4);
	}
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, "badresult");
	lua_pushstring(L, text);
	lua_setfield(L, -2, "err");
	lua_pushinteger(L, number);
	lua_setfield(L, -2, "errno");
	lua_pushstring(L, state);
	lua_setfield(L, -2, "sqlstate");
	reef_mysql_free_result(c);
	reading_end_stream(L, c);
	c->sql.refused = true;
	return reading_done(c, 1);
}

/* ---- rows ---- */

enum reef_mysql_call reef_mysql_row_call(const struct reef_mysql_connection *c) {
	return c->stmt ? REEF_MYSQL_STMT_ROW : REEF_MYSQL_ROW;
}

static const char *reading_name(const void *fields, unsigned column, size_t *size) {
	const MYSQL_FIELD *field = (const MYSQL_FIELD *)fields + column;
	/* Not name_length, which is what is left of a subtraction when a server tells no name. */
	*size = field->name ? strlen(field->name) : 0;
	return field->name ? field->name : "";
}

/* A result has begun that has rows, unless it has no columns. */
static enum reef_mysql_call reading_result(lua_State *L, struct reef_mysql_connection *c) {
	MYSQL *mysql = c->calls.mysql;
	c->columns = c->stmt ? c->stmt->field_count : mysql_field_count(mysql);
	if (c->columns == 0) {
		reading_push_ok(L, c);
		reef_sql_add_result(L, lua_gettop(L), AT(c, RESULTS), &c->results);
		lua_pop(L, 1);
		bool more = c->stmt ? mysql_stmt_more_results(c->stmt) : mysql_more_results(mysql);
		return more ? (c->stmt ? REEF_MYSQL_STMT_NEXT : REEF_MYSQL_NEXT) : reading_finish(L, c);
	}
	if (c->stmt) {
		c->fields = c->stmt->fields;
		reef_mysql_columns_bind(L, &c->statement->columns, c->stmt, c->columns);
	} else {
		c->calls.result = mysql_use_result(mysql);
		if (c->calls.result == NULL)
			return reading_failed(L, c);
		c->fields = mysql_fetch_fields(c->calls.result);
	}
	c->rows = 0;
	lua_createtable(L, 1, 0);
	lua_replace(L, AT(c, ROWS));
	bool begins = c->reading == REEF_MYSQL_STREAM && !c->streaming;
	if (!c->sql.compact || begins) {
		bool known = reef_sql_names_look(L, &c->names, c->sql.self, REEF_MYSQL_NAME_LISTS, c->columns, reading_name,
										 c->fields);
		if (!known || begins) {
			reef_sql_names_push(L, &c->names, c->sql.self, REEF_MYSQL_NAME_LISTS);
			lua_replace(L, AT(c, NAMES));
		}
	}
	if (begins) {
		c->streaming = true;
		lua_pushvalue(L, AT(c, NAMES));
		lua_setiuservalue(L, c->sql.self, REEF_MYSQL_STREAM_NAMES);
		lua_pushvalue(L, c->sql.statement);
		lua_setiuservalue(L, c->sql.self, REEF_MYSQL_STREAM_OF);
		lua_pushvalue(L, AT(c, NAMES));
		lua_pushboolean(L, 1);
		return reading_done(c, 2);
	}
	return reef_mysql_row_call(c);
}

static void reading_add_row(lua_State *L, struct reef_mysql_connection *c) {
	unsigned long *lengths = c->stmt ? NULL : mysql_fetch_lengths(c->calls.result);
	const void *row = NULL;
	if (c->sql.compact)
		lua_createtable(L, (int)c->columns, 0);
	else
		row = reef_sql_row_push(L, &c->names);
	for (unsigned i = 0; i < c->columns; i++) {
		const MYSQL_FIELD *field = &c->fields[i];
		if (c->stmt)
			c->bytes += reef_mysql_push_column(L, c->stmt, field, i, &c->statement->columns, c->exact);
		else if (c->calls.row[i])
			c->bytes += reef_mysql_push_text(L, field, c->calls.row[i], lengths[i], c->exact);
		else
			lua_pushnil(L);
		if (c->sql.compact)
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		else
			reef_sql_row_put(L, &c->names, row, AT(c, NAMES), i);
	}
	c->bytes += c->columns * 16;
	lua_rawseti(L, AT(c, ROWS), ++c->rows);
}

/* A part of a stream is full. */
static enum reef_mysql_call reading_part(lua_State *L, struct reef_mysql_connection *c, bool more) {
	lua_pushvalue(L, AT(c, ROWS));
	lua_pushboolean(L, more);
	if (!more)
		reading_end_stream(L, c);
	return reading_done(c, 2);
}

static enum reef_mysql_call reading_row(lua_State *L, struct reef_mysql_connection *c) {
	bool failed = c->stmt ? c->calls.status != 0 && c->calls.status != MYSQL_NO_DATA &&
									c->calls.status != MYSQL_DATA_TRUNCATED
						  : c->calls.row == NULL && mysql_errno(c->calls.mysql) != 0;
	if (failed)
		return reading_failed(L, c);
	bool end = c->stmt ? c->calls.status == MYSQL_NO_DATA : c->calls.row == NULL;
	if (!end) {
		if (c->reading != REEF_MYSQL_DROP)
			reading_add_row(L, c);
		if (c->streaming && c->reading != REEF_MYSQL_DROP && (c->rows >= c->most_rows || c->bytes >= c->most_bytes))
			return reading_part(L, c, true);
		if (++c->burst < BURST)
			return reef_mysql_row_call(c);
		c->later = reef_mysql_row_call(c);
		return REEF_MYSQL_NO_CALL;
	}
	reef_mysql_free_result(c);
	if (!c->streaming)
		reef_sql_add_result(L, AT(c, ROWS), AT(c, RESULTS), &c->results);
	if (c->stmt ? mysql_stmt_more_results(c->stmt) : mysql_more_results(c->calls.mysql)) {
		/* Of a stream only the first result is read. */
		if (c->streaming)
			c->reading = REEF_MYSQL_DROP;
		return c->stmt ? REEF_MYSQL_STMT_NEXT : REEF_MYSQL_NEXT;
	}
	return c->streaming ? reading_part(L, c, false) : reading_finish(L, c);
}

/* ---- what follows ---- */

enum reef_mysql_call reef_mysql_first_call(struct reef_mysql_connection *c) {
	if (c->dead_count > 0) {
		c->calls.stmt = c->dead[--c->dead_count];
		return REEF_MYSQL_STMT_CLOSE;
	}
	c->calls.stmt = c->stmt;
	return c->first;
}

/* What follows a call that is over. NO_CALL: nothing, and `state` is what it has come to; or `later` says what. */
enum reef_mysql_call reef_mysql_follow(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call over) {
	bool failed = c->calls.status != 0;
	switch (over) {
	case REEF_MYSQL_STMT_CLOSE:
		return reef_mysql_first_call(c);
	case REEF_MYSQL_ROW:
	case REEF_MYSQL_STMT_ROW:
		return reading_row(L, c);
	case REEF_MYSQL_NEXT:
	case REEF_MYSQL_STMT_NEXT:
	case REEF_MYSQL_QUERY:
	case REEF_MYSQL_EXECUTE:
		if (failed)
			return reading_failed(L, c);
		if (c->streaming && (c->stmt ? mysql_stmt_field_count(c->stmt) : mysql_field_count(c->calls.mysql)) == 0) {
			bool more = c->stmt ? mysql_stmt_more_results(c->stmt) : mysql_more_results(c->calls.mysql);
			return more ? over : reading_part(L, c, false);
		}
		return reading_result(L, c);
	default:
		if (failed)
			return reading_failed(L, c);
		reading_push_ok(L, c);
		return reading_done(c, 1);
	}
}
