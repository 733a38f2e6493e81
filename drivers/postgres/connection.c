/* See connection.h. While an operation runs, the connection is at stack index 1, and its user values lie behind it. */
#include "connection.h"

#include <lauxlib.h>
#include <stdlib.h>
#include <string.h>

#include "column.h"
#include "core/host/host.h"

#define BURST 4000 /* rows after which the service's other messages have their turn */

/* A new table in a user value, with room for what is to come: one row, as mostly. */
static void postgres_renew(lua_State *L, int value, int room) {
	lua_createtable(L, room, 0);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, value);
	lua_replace(L, 1 + value);
}

static int postgres_wait(lua_State *L, const char *events) {
	lua_pushstring(L, events);
	return 1;
}

static int postgres_lost(lua_State *L, struct reef_postgres_connection *c, const char *why) {
	lua_pushnil(L);
	lua_pushnil(L);
	/* libpq's texts are lines. */
	size_t n = strlen(why);
	while (n > 0 && why[n - 1] == '\n')
		n--;
	lua_pushlstring(L, why, n);
	reef_postgres_close(c);
	return 3;
}

static int postgres_done(lua_State *L, struct reef_postgres_connection *c) {
	c->phase = REEF_POSTGRES_IDLE;
	lua_pushnil(L);
	lua_insert(L, -2);
	for (int i = REEF_POSTGRES_RESULTS; i <= REEF_POSTGRES_VALUES; i++) {
		lua_pushnil(L);
		lua_setiuservalue(L, 1, i);
	}
	return 2;
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
	postgres_renew(L, REEF_POSTGRES_FAILURE, 0);
	lua_pushvalue(L, 1 + REEF_POSTGRES_FAILURE);
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
	lua_pop(L, 1);
}

static void postgres_begin_rows(lua_State *L, struct reef_postgres_connection *c) {
	c->row = 0;
	if (c->stream && c->described)
		return;
	c->described = true;
	c->rows = 0;
	postgres_renew(L, REEF_POSTGRES_ROWS, 1);
	int columns = PQnfields(c->result);
	postgres_renew(L, REEF_POSTGRES_NAMES, columns);
	for (int i = 0; i < columns; i++) {
		lua_pushstring(L, PQfname(c->result, i));
		lua_rawseti(L, 1 + REEF_POSTGRES_NAMES, i + 1);
	}
}

static void postgres_add_row(lua_State *L, struct reef_postgres_connection *c) {
	const PGresult *result = c->result;
	int columns = PQnfields(result);
	lua_createtable(L, c->compact ? columns : 0, c->compact ? 0 : columns);
	for (int i = 0; i < columns; i++) {
		if (PQgetisnull(result, c->row, i))
			continue;
		int size = PQgetlength(result, c->row, i);
		if (!c->compact)
			lua_rawgeti(L, 1 + REEF_POSTGRES_NAMES, i + 1);
		reef_postgres_push(L, PQftype(result, i), PQgetvalue(result, c->row, i), (size_t)size);
		if (c->compact)
			lua_rawseti(L, -2, i + 1);
		else
			lua_rawset(L, -3);
		c->bytes += size;
	}
	c->bytes += columns * 16;
	lua_rawseti(L, 1 + REEF_POSTGRES_ROWS, ++c->rows);
}

static void postgres_add_command(lua_State *L, struct reef_postgres_connection *c) {
	lua_createtable(L, 0, 2);
	lua_pushinteger(L, strtoll(PQcmdTuples(c->result), NULL, 10));
	lua_setfield(L, -2, "affected_rows");
	lua_pushstring(L, PQcmdStatus(c->result));
	lua_setfield(L, -2, "command");
	lua_rawseti(L, 1 + REEF_POSTGRES_RESULTS, ++c->results);
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
	lua_pushnil(L);
	lua_pushvalue(L, 1 + (more || !c->failed ? REEF_POSTGRES_ROWS : REEF_POSTGRES_FAILURE));
	lua_pushboolean(L, more);
	return 3;
}

/* All of the operation has come. */
static int postgres_finish(lua_State *L, struct reef_postgres_connection *c) {
	if (PQstatus(c->pg) == CONNECTION_BAD && !c->failed)
		return postgres_lost(L, c, PQerrorMessage(c->pg));
	if (c->stream && c->described)
		return postgres_part(L, c, false);
	if (c->failed) {
		lua_pushvalue(L, 1 + REEF_POSTGRES_FAILURE);
	} else if (c->results == 1) {
		lua_rawgeti(L, 1 + REEF_POSTGRES_RESULTS, 1);
	} else {
		lua_pushvalue(L, 1 + REEF_POSTGRES_RESULTS);
		lua_pushboolean(L, c->results > 1);
		lua_setfield(L, -2, "multiresultset");
	}
	return postgres_done(L, c);
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
		postgres_renew(L, REEF_POSTGRES_FAILURE, 0);
		lua_pushboolean(L, 1);
		lua_setfield(L, 1 + REEF_POSTGRES_FAILURE, "badresult");
		lua_pushstring(L, reason);
		lua_setfield(L, 1 + REEF_POSTGRES_FAILURE, "err");
		lua_pushliteral(L, "0A000");
		lua_setfield(L, 1 + REEF_POSTGRES_FAILURE, "sqlstate");
	}
	return true;
}

/* ---- the run ---- */

/* What comes of a result that is complete. 0: it was read; else what is returned. */
static int postgres_take(lua_State *L, struct reef_postgres_connection *c) {
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
				lua_pushnil(L);
				lua_pushvalue(L, 1 + REEF_POSTGRES_NAMES);
				lua_pushboolean(L, 1);
				return 3;
			}
		}
		if (!postgres_read_rows(L, c))
			return postgres_wait(L, "w");
		if (!c->stream) {
			lua_pushvalue(L, 1 + REEF_POSTGRES_ROWS);
			lua_rawseti(L, 1 + REEF_POSTGRES_RESULTS, ++c->results);
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
		if (!postgres_refuse_copy(L, c, status))
			return postgres_wait(L, "r");
		break;
	default:
		/* Without a code it is libpq's own word about the connection. */
		if (PQresultErrorField(c->result, PG_DIAG_SQLSTATE) == NULL) {
			int n = postgres_lost(L, c, PQresultErrorMessage(c->result));
			return n;
		}
		postgres_failed(L, c, c->result);
	}
	postgres_clear(c);
	return 0;
}

static int postgres_run(lua_State *L, struct reef_postgres_connection *c) {
	for (;;) {
		if (c->phase == REEF_POSTGRES_SENDING) {
			int left = PQflush(c->pg);
			if (left < 0)
				return postgres_lost(L, c, PQerrorMessage(c->pg));
			if (left > 0)
				return postgres_wait(L, "rw");
			c->phase = REEF_POSTGRES_READING;
		}
		if (c->result == NULL) {
			if (postgres_is_full(c))
				return postgres_part(L, c, true);
			if (PQisBusy(c->pg))
				return postgres_wait(L, "r");
			c->result = PQgetResult(c->pg);
			c->row = -1;
			if (c->result == NULL)
				return postgres_finish(L, c);
		}
		int returned = postgres_take(L, c);
		if (returned)
			return returned;
	}
}

static int postgres_listen(lua_State *L, struct reef_postgres_connection *c) {
	PGnotify *note = PQnotifies(c->pg);
	if (note == NULL)
		return postgres_wait(L, "r");
	c->phase = REEF_POSTGRES_IDLE;
	lua_pushnil(L);
	lua_createtable(L, 0, 3);
	lua_pushstring(L, note->relname);
	lua_setfield(L, -2, "channel");
	lua_pushstring(L, note->extra);
	lua_setfield(L, -2, "payload");
	lua_pushinteger(L, note->be_pid);
	lua_setfield(L, -2, "pid");
	PQfreemem(note);
	return 2;
}

static void postgres_ignore(void *argument, const PGresult *result) {
	(void)argument;
	(void)result;
}

static int postgres_connect(lua_State *L, struct reef_postgres_connection *c) {
	switch (PQconnectPoll(c->pg)) {
	case PGRES_POLLING_READING:
		return postgres_wait(L, "r");
	case PGRES_POLLING_WRITING:
	case PGRES_POLLING_ACTIVE:
		return postgres_wait(L, "w");
	case PGRES_POLLING_OK:
		break;
	case PGRES_POLLING_FAILED:
		return postgres_lost(L, c, PQerrorMessage(c->pg));
	}
	PQsetnonblocking(c->pg, 1);
	PQsetNoticeReceiver(c->pg, postgres_ignore, NULL);
	c->phase = REEF_POSTGRES_IDLE;
	lua_pushnil(L);
	lua_pushboolean(L, 1);
	return 2;
}

static void postgres_push_values(lua_State *L) {
	lua_settop(L, 1);
	luaL_checkstack(L, 16, NULL);
	for (int i = REEF_POSTGRES_RESULTS; i <= REEF_POSTGRES_VALUES; i++)
		lua_getiuservalue(L, 1, i);
}

int reef_postgres_begin(lua_State *L, struct reef_postgres_connection *c, enum reef_postgres_phase phase) {
	c->burst = 0;
	c->bytes = 0;
	c->rows = 0;
	bool part = c->phase == REEF_POSTGRES_PAUSING;
	c->phase = phase;
	postgres_push_values(L);
	if (phase == REEF_POSTGRES_LISTENING)
		return postgres_listen(L, c);
	if (part) {
		postgres_renew(L, REEF_POSTGRES_ROWS, 1);
	} else {
		postgres_renew(L, REEF_POSTGRES_RESULTS, 1);
		c->results = 0;
		c->most_rows = c->most_bytes = LUA_MAXINTEGER;
		c->failed = c->described = c->drop = false;
	}
	return postgres_run(L, c);
}

int reef_postgres_go(lua_State *L, struct reef_postgres_connection *c, const char *ready) {
	postgres_push_values(L);
	c->burst = 0;
	if (ready == NULL)
		return postgres_lost(L, c, "no answer in time");
	if (c->phase == REEF_POSTGRES_CONNECTING)
		return postgres_connect(L, c);
	/* What is there already is read first: an error message may be behind the end. */
	if (strchr(ready, 'r') && !PQconsumeInput(c->pg) && c->result == NULL && PQisBusy(c->pg))
		return postgres_lost(L, c, PQerrorMessage(c->pg));
	return c->phase == REEF_POSTGRES_LISTENING ? PQstatus(c->pg) == CONNECTION_BAD
														 ? postgres_lost(L, c, PQerrorMessage(c->pg))
														 : postgres_listen(L, c)
											   : postgres_run(L, c);
}

void reef_postgres_close(struct reef_postgres_connection *c) {
	postgres_clear(c);
	if (c->pg)
		PQfinish(c->pg);
	c->pg = NULL;
	c->phase = REEF_POSTGRES_IDLE;
}
