/* See reading.h. */
#include "reading.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "column.h"

#define BURST 4000 /* rows after which the service's other messages have their turn */

#define AT(c, value) ((c)->sql.base + REEF_POSTGRES_##value)

int reef_postgres_lost(lua_State *L, const char *why) {
	/* libpq's texts are lines. */
	size_t n = strlen(why);
	while (n > 0 && why[n - 1] == '\n')
		n--;
	lua_pushlstring(L, why, n);
	lua_pushnil(L);
	return REEF_SQL_LOST;
}

int reef_postgres_done(struct reef_postgres_connection *c, int n) {
	c->sql.pushed = n;
	return REEF_SQL_OVER;
}

/* ---- results ---- */

static void reading_set(lua_State *L, const PGresult *result, const char *name, int field) {
	const char *text = PQresultErrorField(result, field);
	if (text) {
		lua_pushstring(L, text);
		lua_setfield(L, -2, name);
	}
}

/* The first that the server refuses is what counts. */
static void reading_failed(lua_State *L, struct reef_postgres_connection *c, const PGresult *result) {
	if (c->failed)
		return;
	c->failed = true;
	lua_createtable(L, 0, 8);
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, "badresult");
	lua_pushstring(L, PQresultErrorMessage(result));
	lua_setfield(L, -2, "err");
	reading_set(L, result, "err", PG_DIAG_MESSAGE_PRIMARY);
	reading_set(L, result, "sqlstate", PG_DIAG_SQLSTATE);
	reading_set(L, result, "severity", PG_DIAG_SEVERITY_NONLOCALIZED);
	reading_set(L, result, "detail", PG_DIAG_MESSAGE_DETAIL);
	reading_set(L, result, "hint", PG_DIAG_MESSAGE_HINT);
	reading_set(L, result, "position", PG_DIAG_STATEMENT_POSITION);
	reading_set(L, result, "where", PG_DIAG_CONTEXT);
	reading_set(L, result, "table", PG_DIAG_TABLE_NAME);
	reading_set(L, result, "column", PG_DIAG_COLUMN_NAME);
	reading_set(L, result, "constraint", PG_DIAG_CONSTRAINT_NAME);
	lua_replace(L, AT(c, FAILURE));
}

static const char *reading_name(const void *result, unsigned column, size_t *size) {
	const char *name = PQfname(result, (int)column);
	*size = strlen(name);
	return name;
}

static void reading_begin_rows(lua_State *L, struct reef_postgres_connection *c) {
	c->row = 0;
	c->columns = PQnfields(c->result);
	if (c->sql.stream && c->described)
		return;
	c->described = true;
	c->rows = 0;
	lua_createtable(L, 1, 0);
	lua_replace(L, AT(c, ROWS));
	if (c->sql.compact && !c->sql.stream)
		return;
	bool known = reef_sql_names_look(L, &c->names, c->sql.self, REEF_POSTGRES_NAME_LISTS, (unsigned)c->columns,
									 reading_name, c->result);
	if (!known || c->sql.stream) {
		reef_sql_names_push(L, &c->names, c->sql.self, REEF_POSTGRES_NAME_LISTS);
		lua_replace(L, AT(c, NAMES));
	}
}

static void reading_add_row(lua_State *L, struct reef_postgres_connection *c) {
	const PGresult *result = c->result;
	int columns = c->columns;
	const void *row = NULL;
	if (c->sql.compact)
		lua_createtable(L, columns, 0);
	else
		row = reef_sql_row_push(L, &c->names);
	for (int i = 0; i < columns; i++) {
		int size = PQgetlength(result, c->row, i);
		/* Null has no bytes. */
		if (size == 0 && PQgetisnull(result, c->row, i)) {
			reef_sql_row_skip(&c->names, row, (unsigned)i);
			continue;
		}
		reef_postgres_push(L, PQftype(result, i), PQgetvalue(result, c->row, i), (size_t)size);
		if (c->sql.compact)
			lua_rawseti(L, -2, i + 1);
		else
			reef_sql_row_put(L, &c->names, row, AT(c, NAMES), (unsigned)i);
		c->bytes += size;
	}
	c->bytes += columns * 16;
	lua_rawseti(L, AT(c, ROWS), ++c->rows);
}

static void reading_add_command(lua_State *L, struct reef_postgres_connection *c) {
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, strtoll(PQcmdTuples(c->result), NULL, 10));
	lua_setfield(L, -2, "affected_rows");
	lua_pushstring(L, PQcmdStatus(c->result));
	lua_setfield(L, -2, "command");
	reef_sql_add_result(L, lua_gettop(L), AT(c, RESULTS), &c->results);
	lua_pop(L, 1);
}

void reef_postgres_clear(struct reef_postgres_connection *c) {
	PQclear(c->result);
	c->result = NULL;
}

/* Rows of the result as far as they go. False: there are more, since a part is full, or others shall have their turn. */
static bool reading_read_rows(lua_State *L, struct reef_postgres_connection *c) {
	int count = PQntuples(c->result);
	while (c->row < count && !c->drop) {
		if (c->burst++ >= BURST)
			return false;
		reading_add_row(L, c);
		c->row++;
	}
	return true;
}

bool reef_postgres_is_full(const struct reef_postgres_connection *c) {
	return c->sql.stream && !c->drop && (c->rows >= c->most_rows || c->bytes >= c->most_bytes);
}

int reef_postgres_part(lua_State *L, struct reef_postgres_connection *c, bool more) {
	c->phase = more ? REEF_POSTGRES_PAUSING : REEF_POSTGRES_IDLE;
	c->sql.refused = !more && c->failed;
	if (!more) {
		lua_pushnil(L);
		lua_setiuservalue(L, c->sql.self, REEF_POSTGRES_STREAM_NAMES);
	}
	lua_pushvalue(L, c->sql.refused ? AT(c, FAILURE) : AT(c, ROWS));
	lua_pushboolean(L, more);
	return reef_postgres_done(c, 2);
}

/* All of the operation has come. */
int reef_postgres_finish(lua_State *L, struct reef_postgres_connection *c) {
	if (PQstatus(c->pg) == CONNECTION_BAD && !c->failed)
		return reef_postgres_lost(L, PQerrorMessage(c->pg));
	if (c->sql.stream && c->described)
		return reef_postgres_part(L, c, false);
	c->phase = REEF_POSTGRES_IDLE;
	c->sql.refused = c->failed;
	if (c->failed) {
		lua_pushvalue(L, AT(c, FAILURE));
	} else if (c->results == 0) {
		lua_createtable(L, 0, 1);
		lua_pushboolean(L, 0);
		lua_setfield(L, -2, "multiresultset");
	} else {
		lua_pushvalue(L, AT(c, RESULTS));
		if (c->results > 1) {
			lua_pushboolean(L, 1);
			lua_setfield(L, -2, "multiresultset");
		}
	}
	return reef_postgres_done(c, 1);
}

/* COPY is not spoken: what the server wants is refused, what it sends is read and thrown away. False: wait for more. */
static bool reading_refuse_copy(lua_State *L, struct reef_postgres_connection *c, ExecStatusType status) {
	static const char reason[] = "COPY from and to the client is not supported";
	char *bytes = NULL;
	if (status != PGRES_COPY_OUT) {
		PQputCopyEnd(c->pg, reason);
	} else {
		int n;
		while ((n = PQgetCopyData(c->pg, &bytes, 1)) > 0)
			PQfreemem(bytes);
		if (n == 0)
			return false;
		c->failed = true;
		lua_createtable(L, 0, 3);
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, "badresult");
		lua_pushstring(L, reason);
		lua_setfield(L, -2, "err");
		lua_pushliteral(L, "0A000");
		lua_setfield(L, -2, "sqlstate");
		lua_replace(L, AT(c, FAILURE));
	}
	return true;
}

/* ---- what it comes to ---- */

/* What comes of a result that is complete. True: it was read; else `state` is what the operation has come to. */
bool reef_postgres_take(lua_State *L, struct reef_postgres_connection *c, int *state) {
	ExecStatusType status = PQresultStatus(c->result);
	switch (status) {
	case PGRES_TUPLES_OK:
	case PGRES_SINGLE_TUPLE:
		if (c->row < 0) {
			bool known = c->described;
			reading_begin_rows(L, c);
			if (c->sql.stream && !known) {
				/* The names come first, then parts. */
				c->phase = REEF_POSTGRES_PAUSING;
				lua_pushvalue(L, AT(c, NAMES));
				lua_setiuservalue(L, c->sql.self, REEF_POSTGRES_STREAM_NAMES);
				lua_pushvalue(L, AT(c, NAMES));
				lua_pushboolean(L, 1);
				*state = reef_postgres_done(c, 2);
				return false;
			}
		}
		if (!reading_read_rows(L, c)) {
			*state = REEF_FD_WRITE;
			return false;
		}
		if (!c->sql.stream) {
			reef_sql_add_result(L, AT(c, ROWS), AT(c, RESULTS), &c->results);
		} else if (status == PGRES_TUPLES_OK) {
			c->drop = true; /* of a stream only the first result is read */
		}
		break;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		reading_add_command(L, c);
		break;
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
	case PGRES_COPY_OUT:
		if (!reading_refuse_copy(L, c, status)) {
			*state = REEF_FD_READ;
			return false;
		}
		break;
	default:
		/* Without a code it is libpq's own word about the connection. */
		if (PQresultErrorField(c->result, PG_DIAG_SQLSTATE) == NULL) {
			*state = reef_postgres_lost(L, PQresultErrorMessage(c->result));
			return false;
		}
		reading_failed(L, c, c->result);
	}
	reef_postgres_clear(c);
	return true;
}
