/* See connection.h. */
#include "connection.h"

#include <lauxlib.h>

#include "core/host/host.h"
#include "reading.h"

#define AT(c, value) ((c)->sql.base + REEF_POSTGRES_##value)

/* ---- the run ---- */

static int postgres_run(lua_State *L, struct reef_postgres_connection *c) {
	for (;;) {
		if (c->phase == REEF_POSTGRES_SENDING) {
			int left = PQflush(c->pg);
			if (left < 0)
				return reef_postgres_lost(L, PQerrorMessage(c->pg));
			if (left > 0)
				return REEF_FD_READ | REEF_FD_WRITE;
			c->phase = REEF_POSTGRES_READING;
		}
		if (c->result == NULL) {
			if (reef_postgres_is_full(c))
				return reef_postgres_part(L, c, true);
			if (c->untouched)
				return REEF_SQL_MORE;
			if (PQisBusy(c->pg))
				return REEF_FD_READ;
			c->result = PQgetResult(c->pg);
			c->row = -1;
			if (c->result == NULL)
				return reef_postgres_finish(L, c);
		}
		int state;
		if (!reef_postgres_take(L, c, &state))
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
	return reef_postgres_done(c, 1);
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
		return reef_postgres_lost(L, PQerrorMessage(c->pg));
	}
	PQsetnonblocking(c->pg, 1);
	PQsetNoticeReceiver(c->pg, postgres_ignore, NULL);
	c->phase = REEF_POSTGRES_IDLE;
	lua_pushboolean(L, 1);
	return reef_postgres_done(c, 1);
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
	lua_settop(L, c->sql.base + REEF_POSTGRES_KEPT);
}

int reef_postgres_begin(lua_State *L, struct reef_postgres_connection *c, bool sent) {
	if (!sent)
		return reef_postgres_lost(L, PQerrorMessage(c->pg));
	if (c->sql.stream)
		PQsetSingleRowMode(c->pg);
	postgres_begin(L, c, REEF_POSTGRES_SENDING);
	c->results = 0;
	c->most_rows = c->most_bytes = LUA_MAXINTEGER;
	c->failed = c->described = c->drop = false;
	c->untouched = true;
	return postgres_run(L, c);
}

int reef_postgres_begin_part(lua_State *L, struct reef_postgres_connection *c) {
	postgres_begin(L, c, REEF_POSTGRES_READING);
	c->untouched = false;
	lua_createtable(L, 16, 0);
	lua_replace(L, AT(c, ROWS));
	lua_getiuservalue(L, c->sql.self, REEF_POSTGRES_STREAM_NAMES);
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
	c->untouched = false;
	if (ready == 0 && c->phase == REEF_POSTGRES_LISTENING) {
		c->phase = REEF_POSTGRES_IDLE;
		lua_pushnil(L);
		return reef_postgres_done(c, 1);
	}
	if (ready == 0)
		return reef_postgres_lost(L, "no answer in time");
	if (c->phase == REEF_POSTGRES_CONNECTING)
		return postgres_connect(L, c);
	/* What is there already is read first: an error message may be behind the end. */
	if ((ready & REEF_FD_READ) && !PQconsumeInput(c->pg) && c->result == NULL && PQisBusy(c->pg))
		return reef_postgres_lost(L, PQerrorMessage(c->pg));
	if (c->phase != REEF_POSTGRES_LISTENING)
		return postgres_run(L, c);
	return PQstatus(c->pg) == CONNECTION_BAD ? reef_postgres_lost(L, PQerrorMessage(c->pg)) : postgres_hear(L, c);
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
		.name = "postgres", .go = postgres_go, .fd = postgres_fd, .alive = postgres_alive, .close = postgres_close};

void reef_postgres_close(struct reef_postgres_connection *c) {
	reef_sql_closed(&c->sql);
	reef_postgres_clear(c);
	if (c->pg)
		PQfinish(c->pg);
	c->pg = NULL;
	c->phase = REEF_POSTGRES_IDLE;
}
