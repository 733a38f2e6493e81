/* See connection.h. While an operation runs, the connection is at stack index 1, and its user values lie behind it. */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "core/host/host.h"

#define BURST 4000 /* rows after which the service's other messages have their turn */
#define CLIENT_ERRORS(e) (((e) >= 2000 && (e) < 3000) || ((e) >= 5000 && (e) < 6000))

/* ---- results ---- */

/* A new list in a user value, with room for what is to come: one row, as mostly. */
static void machine_renew(lua_State *L, int value, int room) {
	lua_createtable(L, room, 0);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, 1, value);
	lua_replace(L, 1 + value);
}

static void machine_push_ok(lua_State *L, const struct reef_mysql_connection *c) {
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

static void machine_add_result(lua_State *L, struct reef_mysql_connection *c) {
	lua_rawseti(L, 1 + REEF_MYSQL_RESULTS, ++c->results);
}

/* Ends the operation with the result on the top. */
static enum reef_mysql_call machine_done(lua_State *L, struct reef_mysql_connection *c) {
	lua_pushnil(L);
	lua_insert(L, -2);
	for (int i = REEF_MYSQL_RESULTS; i <= REEF_MYSQL_HELD; i++) {
		lua_pushnil(L);
		lua_setiuservalue(L, 1, i);
	}
	c->running = false;
	return REEF_MYSQL_NO_CALL;
}

/* Ends it with all results. */
static enum reef_mysql_call machine_finish(lua_State *L, struct reef_mysql_connection *c) {
	c->streaming = false;
	if (c->results == 1) {
		lua_rawgeti(L, 1 + REEF_MYSQL_RESULTS, 1);
	} else {
		lua_pushvalue(L, 1 + REEF_MYSQL_RESULTS);
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, c->stmt ? "mulitresultset" : "multiresultset");
	}
	return machine_done(L, c);
}

static void machine_free_result(struct reef_mysql_connection *c) {
	MYSQL_RES *result = c->result;
	c->result = NULL;
	c->calls.result = NULL;
	if (result)
		mysql_free_result(result);
}

/* A call has failed: the server says no, or the connection is lost. */
static enum reef_mysql_call machine_failed(lua_State *L, struct reef_mysql_connection *c) {
	MYSQL *mysql = c->calls.mysql;
	unsigned number = c->stmt ? mysql_stmt_errno(c->stmt) : 0;
	const char *text = number ? mysql_stmt_error(c->stmt) : mysql_error(mysql);
	const char *state = number ? mysql_stmt_sqlstate(c->stmt) : mysql_sqlstate(mysql);
	if (number == 0)
		number = mysql_errno(mysql);
	if (CLIENT_ERRORS(number) || number == 0) {
		lua_pushnil(L);
		lua_pushnil(L);
		lua_pushstring(L, number ? text : "libmariadb has failed and does not say why");
		lua_pushinteger(L, number);
		reef_mysql_close(c);
		c->running = false;
		return REEF_MYSQL_NO_CALL;
	}
	lua_createtable(L, 0, 4);
	if (c->results > 0 && !c->streaming) {
		lua_pop(L, 1);
		lua_pushvalue(L, 1 + REEF_MYSQL_RESULTS);
		lua_pushboolean(L, 1);
		lua_setfield(L, -2, c->stmt ? "mulitresultset" : "multiresultset");
	}
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, "badresult");
	lua_pushstring(L, text);
	lua_setfield(L, -2, "err");
	lua_pushinteger(L, number);
	lua_setfield(L, -2, "errno");
	lua_pushstring(L, state);
	lua_setfield(L, -2, "sqlstate");
	machine_free_result(c);
	c->streaming = false;
	return machine_done(L, c);
}

/* ---- rows ---- */

static enum reef_mysql_call machine_row_call(const struct reef_mysql_connection *c) {
	return c->stmt ? REEF_MYSQL_STMT_ROW : REEF_MYSQL_ROW;
}

/* A result has begun that has rows, unless it has no columns. */
static enum reef_mysql_call machine_result(lua_State *L, struct reef_mysql_connection *c) {
	MYSQL *mysql = c->calls.mysql;
	c->columns = c->stmt ? mysql_stmt_field_count(c->stmt) : mysql_field_count(mysql);
	if (c->columns == 0) {
		machine_push_ok(L, c);
		machine_add_result(L, c);
		bool more = c->stmt ? mysql_stmt_more_results(c->stmt) : mysql_more_results(mysql);
		return more ? (c->stmt ? REEF_MYSQL_STMT_NEXT : REEF_MYSQL_NEXT) : machine_finish(L, c);
	}
	c->result = c->stmt ? mysql_stmt_result_metadata(c->stmt) : mysql_use_result(mysql);
	if (c->result == NULL)
		return machine_failed(L, c);
	c->calls.result = c->result;
	c->fields = mysql_fetch_fields(c->result);
	c->rows = 0;
	machine_renew(L, REEF_MYSQL_ROWS, 1);
	machine_renew(L, REEF_MYSQL_NAMES, (int)c->columns);
	for (unsigned i = 0; i < c->columns; i++) {
		lua_pushlstring(L, c->fields[i].name, c->fields[i].name_length);
		lua_rawseti(L, 1 + REEF_MYSQL_NAMES, (lua_Integer)i + 1);
	}
	if (c->reading == REEF_MYSQL_STREAM && !c->streaming) {
		/* The names stay, so it is not over for them. */
		c->streaming = true;
		c->running = false;
		lua_pushnil(L);
		lua_pushvalue(L, 1 + REEF_MYSQL_NAMES);
		lua_pushboolean(L, 1);
		return REEF_MYSQL_NO_CALL;
	}
	return machine_row_call(c);
}

static void machine_add_row(lua_State *L, struct reef_mysql_connection *c) {
	unsigned long *lengths = c->stmt ? NULL : mysql_fetch_lengths(c->result);
	lua_createtable(L, c->compact ? (int)c->columns : 0, c->compact ? 0 : (int)c->columns);
	for (unsigned i = 0; i < c->columns; i++) {
		const MYSQL_FIELD *field = &c->fields[i];
		if (!c->compact)
			lua_rawgeti(L, 1 + REEF_MYSQL_NAMES, (lua_Integer)i + 1);
		if (c->stmt)
			reef_mysql_push_column(L, c->stmt, field, i, &c->scratch, c->exact);
		else if (c->calls.row[i])
			reef_mysql_push_text(L, field, c->calls.row[i], lengths[i], c->exact);
		else
			lua_pushnil(L);
		if (lua_type(L, -1) == LUA_TSTRING)
			c->bytes += (lua_Integer)lua_rawlen(L, -1);
		if (c->compact)
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		else
			lua_rawset(L, -3);
	}
	c->bytes += c->columns * 16;
	lua_rawseti(L, 1 + REEF_MYSQL_ROWS, ++c->rows);
}

/* A part of a stream is full. */
static enum reef_mysql_call machine_part(lua_State *L, struct reef_mysql_connection *c, bool more) {
	c->running = false;
	lua_pushnil(L);
	lua_pushvalue(L, 1 + REEF_MYSQL_ROWS);
	lua_pushboolean(L, more);
	if (!more)
		c->streaming = false;
	return REEF_MYSQL_NO_CALL;
}

static enum reef_mysql_call machine_row(lua_State *L, struct reef_mysql_connection *c) {
	bool failed = c->stmt ? c->calls.status != 0 && c->calls.status != MYSQL_NO_DATA &&
									c->calls.status != MYSQL_DATA_TRUNCATED
						  : c->calls.row == NULL && mysql_errno(c->calls.mysql) != 0;
	if (failed)
		return machine_failed(L, c);
	bool end = c->stmt ? c->calls.status == MYSQL_NO_DATA : c->calls.row == NULL;
	if (!end) {
		if (c->reading != REEF_MYSQL_DROP)
			machine_add_row(L, c);
		if (c->streaming && c->reading != REEF_MYSQL_DROP && (c->rows >= c->most_rows || c->bytes >= c->most_bytes))
			return machine_part(L, c, true);
		if (++c->burst < BURST)
			return machine_row_call(c);
		c->later = machine_row_call(c);
		return REEF_MYSQL_NO_CALL;
	}
	machine_free_result(c);
	if (!c->streaming) {
		lua_pushvalue(L, 1 + REEF_MYSQL_ROWS);
		machine_add_result(L, c);
	}
	if (c->stmt ? mysql_stmt_more_results(c->stmt) : mysql_more_results(c->calls.mysql)) {
		/* Of a stream only the first result is read. */
		if (c->streaming)
			c->reading = REEF_MYSQL_DROP;
		return c->stmt ? REEF_MYSQL_STMT_NEXT : REEF_MYSQL_NEXT;
	}
	return c->streaming ? machine_part(L, c, false) : machine_finish(L, c);
}

/* ---- the run ---- */

static enum reef_mysql_call machine_begin_first(struct reef_mysql_connection *c) {
	if (c->dead_count > 0) {
		c->calls.stmt = c->dead[--c->dead_count];
		return REEF_MYSQL_STMT_CLOSE;
	}
	c->calls.stmt = c->stmt;
	return c->first;
}

/* What follows a call that is over. NO_CALL: nothing, and what is returned has been pushed; or `later` says what. */
static enum reef_mysql_call machine_follow(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call over) {
	bool failed = c->calls.status != 0;
	switch (over) {
	case REEF_MYSQL_STMT_CLOSE:
		return machine_begin_first(c);
	case REEF_MYSQL_ROW:
	case REEF_MYSQL_STMT_ROW:
		return machine_row(L, c);
	case REEF_MYSQL_NEXT:
	case REEF_MYSQL_STMT_NEXT:
	case REEF_MYSQL_QUERY:
	case REEF_MYSQL_EXECUTE:
		if (failed)
			return machine_failed(L, c);
		if (c->streaming && (c->stmt ? mysql_stmt_field_count(c->stmt) : mysql_field_count(c->calls.mysql)) == 0) {
			bool more = c->stmt ? mysql_stmt_more_results(c->stmt) : mysql_more_results(c->calls.mysql);
			return more ? over : machine_part(L, c, false);
		}
		return machine_result(L, c);
	default:
		if (failed)
			return machine_failed(L, c);
		machine_push_ok(L, c);
		return machine_done(L, c);
	}
}

static void machine_push_wants(lua_State *L, int wants) {
	bool writes = wants & MYSQL_WAIT_WRITE, reads = (wants & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT)) || !writes;
	lua_pushstring(L, writes && reads ? "rw" : writes ? "w" : "r");
}

static int machine_run(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call over, int wants) {
	for (;;) {
		if (wants) {
			machine_push_wants(L, wants);
			return 1;
		}
		int top = lua_gettop(L);
		over = machine_follow(L, c, over);
		if (over == REEF_MYSQL_NO_CALL && c->later == REEF_MYSQL_NO_CALL)
			return lua_gettop(L) - top;
		if (over == REEF_MYSQL_NO_CALL) {
			lua_pushstring(L, "w");
			return 1;
		}
		wants = reef_mysql_calls_start(&c->calls, over);
	}
}

static void machine_push_values(lua_State *L) {
	lua_settop(L, 1);
	luaL_checkstack(L, 16, NULL);
	for (int i = REEF_MYSQL_RESULTS; i <= REEF_MYSQL_NAMES; i++)
		lua_getiuservalue(L, 1, i);
}

int reef_mysql_begin(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call first, MYSQL_STMT *stmt) {
	c->running = true;
	c->first = first;
	c->stmt = stmt;
	c->burst = 0;
	c->bytes = 0;
	c->rows = 0;
	machine_push_values(L);
	if (c->streaming) {
		machine_renew(L, REEF_MYSQL_ROWS, 1);
		c->calls.stmt = stmt;
	} else {
		c->results = 0;
		machine_renew(L, REEF_MYSQL_RESULTS, 1);
		first = machine_begin_first(c);
	}
	int wants = reef_mysql_calls_start(&c->calls, first);
	return machine_run(L, c, first, wants);
}

int reef_mysql_connect(lua_State *L, struct reef_mysql_connection *c) {
	c->opening = reef_mysql_opening_begin(c->calls.mysql, &c->login);
	if (c->opening) {
		lua_pushliteral(L, "r");
		return 1;
	}
	lua_pushnil(L);
	lua_pushnil(L);
	lua_pushfstring(L, "no thread to connect: %s", strerrordesc_np(errno));
	lua_pushinteger(L, 0);
	return 4;
}

/* Goes on with connecting. */
static int machine_open(lua_State *L, struct reef_mysql_connection *c, bool late) {
	bool connected = false;
	lua_settop(L, 1);
	if (!late && !reef_mysql_opening_is_over(c->opening)) {
		lua_pushliteral(L, "r");
		return 1;
	}
	struct reef_mysql_opening *opening = c->opening;
	c->opening = NULL;
	if (!reef_mysql_opening_end(opening, &connected))
		c->calls.mysql = NULL;
	if (connected) {
		/* With TLS, libmariadb leaves it as it was while connecting. */
		my_socket fd = mysql_get_socket(c->calls.mysql);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		lua_pushnil(L);
		lua_pushboolean(L, 1);
		return 2;
	}
	lua_pushnil(L);
	lua_pushnil(L);
	lua_pushstring(L, c->calls.mysql ? mysql_error(c->calls.mysql) : "no answer in time");
	lua_pushinteger(L, c->calls.mysql ? mysql_errno(c->calls.mysql) : 0);
	reef_mysql_close(c);
	return 4;
}

int reef_mysql_go(lua_State *L, struct reef_mysql_connection *c, int ready) {
	if (c->opening)
		return machine_open(L, c, ready == MYSQL_WAIT_TIMEOUT);
	/* With TLS, libmariadb does not hear of it: it would wait again. */
	if (ready == MYSQL_WAIT_TIMEOUT)
		shutdown(mysql_get_socket(c->calls.mysql), SHUT_RDWR);
	machine_push_values(L);
	enum reef_mysql_call call = c->calls.waiting;
	int wants;
	c->burst = 0;
	if (c->later != REEF_MYSQL_NO_CALL) {
		call = c->later;
		c->later = REEF_MYSQL_NO_CALL;
		wants = reef_mysql_calls_start(&c->calls, call);
	} else {
		wants = reef_mysql_calls_go(&c->calls, ready);
	}
	return machine_run(L, c, call, wants);
}

/* ---- the end ---- */

void reef_mysql_bury(struct reef_mysql_connection *c, MYSQL_STMT *stmt) {
	if (c->calls.mysql == NULL || stmt->mysql == NULL) {
		mysql_stmt_close(stmt);
		return;
	}
	if (c->dead_count == c->dead_room) {
		unsigned room = c->dead_room ? c->dead_room * 2 : 8;
		MYSQL_STMT **larger = reef_try_realloc(c->dead, room * sizeof *larger);
		if (larger == NULL)
			return; /* it goes with the connection, which holds it in a list */
		c->dead = larger;
		c->dead_room = room;
	}
	c->dead[c->dead_count++] = stmt;
}

/* Nothing that it does can wait after this. */
static void machine_cut(struct reef_mysql_connection *c) {
	my_socket fd = mysql_get_socket(c->calls.mysql);
	if (fd >= 0)
		shutdown(fd, SHUT_RDWR);
	while (c->calls.waiting != REEF_MYSQL_NO_CALL)
		reef_mysql_calls_go(&c->calls, MYSQL_WAIT_TIMEOUT);
}

void reef_mysql_close(struct reef_mysql_connection *c) {
	bool connected;
	struct reef_mysql_opening *opening = c->opening;
	c->opening = NULL;
	if (opening && !reef_mysql_opening_end(opening, &connected))
		c->calls.mysql = NULL;
	if (c->calls.mysql == NULL)
		return;
	bool orderly = !c->running && !c->streaming;
	if (!orderly)
		machine_cut(c);
	if (c->result) {
		/* Its rows would be read to the end. */
		machine_cut(c);
		machine_free_result(c);
	}
	if (reef_mysql_calls_start(&c->calls, REEF_MYSQL_QUIT) != 0)
		machine_cut(c);
	c->calls.mysql = NULL;
	c->later = REEF_MYSQL_NO_CALL;
	c->streaming = c->running = false;
	while (c->dead_count > 0)
		mysql_stmt_close(c->dead[--c->dead_count]);
}
