/* See connection.h. */
#include "connection.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "column.h"
#include "core/host/host.h"

#define BURST 4000 /* rows after which the service's other messages have their turn */

#define AT(c, value) ((c)->sql.base + REEF_POSTGRES_##value)

static int postgres_lost(lua_State *L, struct reef_postgres_connection *c, const char *why) {
	/* libpq's texts are lines. */
	size_t n = strlen(why);
	while (n > 0 && why[n - 1] == '\n')
		n--;
	lua_pushlstring(L, why, n);
	lua_pushnil(L);
	reef_postgres_close(c);
	return REEF_SQL_LOST;
}

static int postgres_done(struct reef_postgres_connection *c, int n) {
	c->sql.pushed = n;
	return REEF_SQL_OVER;
}

/* ---- results ---- */

static void postgres_set(lua_State *L, const PGresult *result, const char *name, int field) {
	const char *text = PQresultErrorField(result, field);
	if (text) {
		lua_pushstring(L, text);
		lua_setfield(L, -2, name);
	}
}

/* The first that the server refuses is what counts. */
static void postgres_failed(lua_State *L, struct reef_postgres_connection *c, const PGresult *result) {
	if (c->failed)
		return;
	c->failed = true;
	lua_createtable(L, 0, 8);
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, "badresult");
	lua_pushstring(L, PQresultErrorMessage(result));
	lua_setfield(L, -2, "err");
	postgres_set(L, result, "err", PG_DIAG_MESSAGE_PRIMARY);
	postgres_set(L, result, "sqlstate", PG_DIAG_SQLSTATE);
	postgres_set(L, result, "severity", PG_DIAG_SEVERITY_NONLOCALIZED);
	postgres_set(L, result, "detail", PG_DIAG_MESSAGE_DETAIL);
	postgres_set(L, result, "hint", PG_DIAG_MESSAGE_HINT);
	postgres_set(L, result, "position", PG_DIAG_STATEMENT_POSITION);
	postgres_set(L, result, "where", PG_DIAG_CONTEXT);
	postgres_set(L, result, "table", PG_DIAG_TABLE_NAME);
	postgres_set(L, result, "column", PG_DIAG_COLUMN_NAME);
	postgres_set(L, result, "constraint", PG_DIAG_CONSTRAINT_NAME);
	lua_replace(L, AT(c, FAILURE));
}

static void postgres_make_names(lua_State *L, struct reef_postgres_connection *c) {
	int columns = PQnfields(c->result);
	lua_createtable(L, columns, 0);
	for (int i = 0; i < columns; i++) {
		lua_pushstring(L, PQfname(c->result, i));
		lua_rawseti(L, -2, i + 1);
	}
	lua_replace(L, AT(c, NAMES));
}

static void postgres_begin_rows(lua_State *L, struct reef_postgres_connection *c) {
	c->row = 0;
	if (c->stream && c->described)
		return;
	c->described = true;
	c->rows = 0;
	lua_createtable(L, 1, 0);
	lua_replace(L, AT(c, ROWS));
	if (c->stream)
		postgres_make_names(L, c);
}

static void postgres_add_row(lua_State *L, struct reef_postgres_connection *c) {
	const PGresult *result = c->result;
	int columns = PQnfields(result);
	bool known = c->stream || c->rows > 0;
	/* One row needs no list of the names. */
	if (c->rows == 1 && !c->stream && !c->compact)
		postgres_make_names(L, c);
	lua_createtable(L, c->compact ? columns : 0, c->compact ? 0 : columns);
	for (int i = 0; i < columns; i++) {
		int size = PQgetlength(result, c->row, i);
		/* Null has no bytes. */
		if (size == 0 && PQgetisnull(result, c->row, i))
			continue;
		if (!c->compact && known)
			lua_rawgeti(L, AT(c, NAMES), i + 1);
		else if (!c->compact)
			lua_pushstring(L, PQfname(result, i));
		reef_postgres_push(L, PQftype(result, i), PQgetvalue(result, c->row, i), (size_t)size);
		if (c->compact)
			lua_rawseti(L, -2, i + 1);
		else
			lua_rawset(L, -3);
		c->bytes += size;
	}
	c->bytes += columns * 16;
	lua_rawseti(L, AT(c, ROWS), ++c->rows);
}

static void postgres_add_command(lua_State *L, struct reef_postgres_connection *c) {
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, strtoll(PQcmdTuples(c->result), NULL, 10));
	lua_setfield(L, -2, "affected_rows");
	lua_pushstring(L, PQcmdStatus(c->result));
	lua_setfield(L, -2, "command");
	reef_sql_add_result(L, AT(c, RESULTS), &c->results);
}

static void postgres_clear(struct reef_postgres_connection *c) {
	PQclear(c->result);
	c->result = NULL;
}

/* Rows of the result as far as they go. False: there are more, since a part is full, or others shall have their turn. */
static bool postgres_read_rows(lua_State *L, struct reef_postgres_connection *c) {
	int count = PQntuples(c->result);
	while (c->row < count && !c->drop) {
		if (c->burst++ >= BURST)
			return false;
		postgres_add_row(L, c);
		c->row++;
	}
	return true;
}

static bool postgres_is_full(const struct reef_postgres_connection *c) {
	return c->stream && !c->drop && (c->rows >= c->most_rows || c->bytes >= c->most_bytes);
}

static int postgres_part(lua_State *L, struct reef_postgres_connection *c, bool more) {
	c->phase = more ? REEF_POSTGRES_PAUSING : REEF_POSTGRES_IDLE;
	c->sql.refused = !more && c->failed;
	if (!more) {
		lua_pushnil(L);
		lua_setiuservalue(L, REEF_SQL_AT_CONNECTION, REEF_POSTGRES_STREAM_NAMES);
	}
	lua_pushvalue(L, c->sql.refused ? AT(c, FAILURE) : AT(c, ROWS));
	lua_pushboolean(L, more);
	return postgres_done(c, 2);
}

/* All of the operation has come. */
static int postgres_finish(lua_State *L, struct reef_postgres_connection *c) {
	if (PQstatus(c->pg) == CONNECTION_BAD && !c->failed)
		return postgres_lost(L, c, PQerrorMessage(c->pg));
	if (c->stream && c->described)
		return postgres_part(L, c, false);
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
	return postgres_done(c, 1);
}

/* COPY is not spoken: what the server wants is refused, what it sends is read and thrown away. False: wait for more. */
static bool postgres_refuse_copy(lua_State *L, struct reef_postgres_connection *c, ExecStatusType status) {
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

/* ---- the run ---- */

/* What comes of a result that is complete. True: it was read; else `state` is what the operation has come to. */
static bool postgres_take(lua_State *L, struct reef_postgres_connection *c, int *state) {
	ExecStatusType status = PQresultStatus(c->result);
	switch (status) {
	case PGRES_TUPLES_OK:
	case PGRES_SINGLE_TUPLE:
		if (c->row < 0) {
			bool known = c->described;
			postgres_begin_rows(L, c);
			if (c->stream && !known) {
				/* The names come first, then parts. */
				c->phase = REEF_POSTGRES_PAUSING;
				lua_pushvalue(L, AT(c, NAMES));
				lua_setiuservalue(L, REEF_SQL_AT_CONNECTION, REEF_POSTGRES_STREAM_NAMES);
				lua_pushvalue(L, AT(c, NAMES));
				lua_pushboolean(L, 1);
				*state = postgres_done(c, 2);
				return false;
			}
		}
		if (!postgres_read_rows(L, c)) {
			*state = REEF_FD_WRITE;
			return false;
		}
		if (!c->stream) {
			lua_pushvalue(L, AT(c, ROWS));
			reef_sql_add_result(L, AT(c, RESULTS), &c->results);
		} else if (status == PGRES_TUPLES_OK) {
			c->drop = true; /* of a stream only the first result is read */
		}
		break;
	case PGRES_COMMAND_OK:
	case PGRES_EMPTY_QUERY:
		postgres_add_command(L, c);
		break;
	case PGRES_COPY_IN:
	case PGRES_COPY_BOTH:
	case PGRES_COPY_OUT:
		if (!postgres_refuse_copy(L, c, status)) {
			*state = REEF_FD_READ;
			return false;
		}
		break;
	default:
		/* Without a code it is libpq's own word about the connection. */
		if (PQresultErrorField(c->result, PG_DIAG_SQLSTATE) == NULL) {
			*state = postgres_lost(L, c, PQresultErrorMessage(c->result));
			return false;
		}
		postgres_failed(L, c, c->result);
	}
	postgres_clear(c);
	return true;
}

static int postgres_run(lua_State *L, struct reef_postgres_connection *c) {
	for (;;) {
		if (c->phase == REEF_POSTGRES_SENDING) {
			int left = PQflush(c->pg);
			if (left < 0)
				return postgres_lost(L, c, PQerrorMessage(c->pg));
			if (left > 0)
				return REEF_FD_READ | REEF_FD_WRITE;
			c->phase = REEF_POSTGRES_READING;
		}
		if (c->result == NULL) {
			if (postgres_is_full(c))
				return postgres_part(L, c, true);
			if (PQisBusy(c->pg))
				return REEF_FD_READ;
			c->result = PQgetResult(c->pg);
			c->row = -1;
			if (c->result == NULL)
				return postgres_finish(L, c);
		}
		int state;
		if (!postgres_take(L, c, &state))
			return state;
	}
}

static int postgres_hear(lua_State *L, struct reef_postgres_connection *c) {
	PGnotify *note = PQnotifies(c->pg);
	if (note == NULL)
		return REEF_FD_READ;
	c->phase = REEF_POSTGRES_IDLE;
	lua_createtable(L, 0, 3);
	lua_pushstring(L, note->relname);
	lua_setfield(L, -2, "channel");
	lua_pushstring(L, note->extra);
	lua_setfield(L, -2, "payload");
	lua_pushinteger(L, note->be_pid);
	lua_setfield(L, -2, "pid");
	PQfreemem(note);
	return postgres_done(c, 1);
}

static void postgres_ignore(void *argument, const PGresult *result) {
	(void)argument;
	(void)result;
}

static int postgres_connect(lua_State *L, struct reef_postgres_connection *c) {
	switch (PQconnectPoll(c->pg)) {
	case PGRES_POLLING_READING:
		return REEF_FD_READ;
	case PGRES_POLLING_WRITING:
	case PGRES_POLLING_ACTIVE:
		return REEF_FD_WRITE;
	case PGRES_POLLING_OK:
		break;
	case PGRES_POLLING_FAILED:
		return postgres_lost(L, c, PQerrorMessage(c->pg));
	}
	PQsetnonblocking(c->pg, 1);
	PQsetNoticeReceiver(c->pg, postgres_ignore, NULL);
	c->phase = REEF_POSTGRES_IDLE;
	lua_pushboolean(L, 1);
	return postgres_done(c, 1);
}

int reef_postgres_connect(lua_State *L, struct reef_postgres_connection *c) {
	c->sql.busy = true;
	return PQstatus(c->pg) == CONNECTION_BAD ? postgres_connect(L, c) : REEF_FD_WRITE;
}

static void postgres_begin(lua_State *L, struct reef_postgres_connection *c, enum reef_postgres_phase phase) {
	c->sql.busy = true;
	c->burst = 0;
	c->bytes = c->rows = 0;
	c->phase = phase;
	lua_settop(L, c->sql.base);
	lua_settop(L, c->sql.base + REEF_POSTGRES_KEPT);
}

int reef_postgres_begin(lua_State *L, struct reef_postgres_connection *c, bool sent) {
	if (!sent)
		return postgres_lost(L, c, PQerrorMessage(c->pg));
	if (c->stream)
		PQsetSingleRowMode(c->pg);
	postgres_begin(L, c, REEF_POSTGRES_SENDING);
	c->results = 0;
	c->most_rows = c->most_bytes = LUA_MAXINTEGER;
	c->failed = c->described = c->drop = false;
	return postgres_run(L, c);
}

int reef_postgres_begin_part(lua_State *L, struct reef_postgres_connection *c) {
	postgres_begin(L, c, REEF_POSTGRES_READING);
	lua_createtable(L, 16, 0);
	lua_replace(L, AT(c, ROWS));
	lua_getiuservalue(L, REEF_SQL_AT_CONNECTION, REEF_POSTGRES_STREAM_NAMES);
	lua_replace(L, AT(c, NAMES));
	return postgres_run(L, c);
}

int reef_postgres_listen(lua_State *L, struct reef_postgres_connection *c) {
	postgres_begin(L, c, REEF_POSTGRES_LISTENING);
	return postgres_hear(L, c);
}

static int postgres_go(lua_State *L, struct reef_sql_connection *sql, int ready) {
	struct reef_postgres_connection *c = (struct reef_postgres_connection *)sql;
	c->burst = 0;
	if (ready == 0 && c->phase == REEF_POSTGRES_LISTENING) {
		c->phase = REEF_POSTGRES_IDLE;
		lua_pushnil(L);
		return postgres_done(c, 1);
	}
	if (ready == 0)
		return postgres_lost(L, c, "no answer in time");
	if (c->phase == REEF_POSTGRES_CONNECTING)
		return postgres_connect(L, c);
	/* What is there already is read first: an error message may be behind the end. */
	if ((ready & REEF_FD_READ) && !PQconsumeInput(c->pg) && c->result == NULL && PQisBusy(c->pg))
		return postgres_lost(L, c, PQerrorMessage(c->pg));
	if (c->phase != REEF_POSTGRES_LISTENING)
		return postgres_run(L, c);
	return PQstatus(c->pg) == CONNECTION_BAD ? postgres_lost(L, c, PQerrorMessage(c->pg)) : postgres_hear(L, c);
}

static int postgres_fd(struct reef_sql_connection *sql) {
	return PQsocket(((struct reef_postgres_connection *)sql)->pg);
}

static bool postgres_alive(struct reef_sql_connection *sql) {
	PGconn *pg = ((struct reef_postgres_connection *)sql)->pg;
	return pg && PQconsumeInput(pg) && PQstatus(pg) == CONNECTION_OK;
}

static void postgres_close(struct reef_sql_connection *sql) {
	reef_postgres_close((struct reef_postgres_connection *)sql);
}

const struct reef_sql_driver reef_postgres_driver = {
		.go = postgres_go, .fd = postgres_fd, .alive = postgres_alive, .close = postgres_close};

void reef_postgres_close(struct reef_postgres_connection *c) {
	reef_sql_closed(&c->sql);
	postgres_clear(c);
	if (c->pg)
		PQfinish(c->pg);
	c->pg = NULL;
	c->phase = REEF_POSTGRES_IDLE;
}
