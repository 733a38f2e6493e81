/* See connection.h. */
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

#define AT(c, value) ((c)->sql.base + REEF_MYSQL_##value)

/* ---- results ---- */

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

/* Ends the operation with the `n` values on the top. */
static enum reef_mysql_call machine_done(struct reef_mysql_connection *c, int n) {
	c->sql.pushed = n;
	c->state = REEF_SQL_OVER;
	return REEF_MYSQL_NO_CALL;
}

static void machine_mark_several(lua_State *L, const struct reef_mysql_connection *c) {
	lua_pushboolean(L, 1);
	lua_setfield(L, -2, c->stmt ? "mulitresultset" : "multiresultset");
}

/* Ends it with all results. */
static enum reef_mysql_call machine_finish(lua_State *L, struct reef_mysql_connection *c) {
	c->streaming = false;
	lua_pushvalue(L, AT(c, RESULTS));
	if (c->results > 1)
		machine_mark_several(L, c);
	return machine_done(c, 1);
}

static void machine_free_result(struct reef_mysql_connection *c) {
	MYSQL_RES *result = c->calls.result;
	c->calls.result = NULL;
	if (result)
		mysql_free_result(result);
}

/* Lets go of what a stream has kept. */
static void machine_end_stream(lua_State *L, struct reef_mysql_connection *c) {
	if (!c->streaming)
		return;
	c->streaming = false;
	for (int i = REEF_MYSQL_STREAM_NAMES; i <= REEF_MYSQL_STREAM_OF; i++) {
		lua_pushnil(L);
		lua_setiuservalue(L, REEF_SQL_AT_CONNECTION, i);
	}
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
		lua_pushstring(L, number ? text : "libmariadb has failed and does not say why");
		lua_pushinteger(L, number);
		reef_mysql_close(c);
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
		machine_mark_several(L, c);
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
	machine_free_result(c);
	machine_end_stream(L, c);
	c->sql.refused = true;
	return machine_done(c, 1);
}

/* ---- rows ---- */

static enum reef_mysql_call machine_row_call(const struct reef_mysql_connection *c) {
	return c->stmt ? REEF_MYSQL_STMT_ROW : REEF_MYSQL_ROW;
}

static void machine_push_name(lua_State *L, const struct reef_mysql_connection *c, unsigned column) {
	lua_pushlstring(L, c->fields[column].name, c->fields[column].name_length);
}

static void machine_make_names(lua_State *L, const struct reef_mysql_connection *c) {
	lua_createtable(L, (int)c->columns, 0);
	for (unsigned i = 0; i < c->columns; i++) {
		machine_push_name(L, c, i);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	lua_replace(L, AT(c, NAMES));
}

/* A result has begun that has rows, unless it has no columns. */
static enum reef_mysql_call machine_result(lua_State *L, struct reef_mysql_connection *c) {
	MYSQL *mysql = c->calls.mysql;
	c->columns = c->stmt ? c->stmt->field_count : mysql_field_count(mysql);
	if (c->columns == 0) {
		machine_push_ok(L, c);
		reef_sql_add_result(L, AT(c, RESULTS), &c->results);
		bool more = c->stmt ? mysql_stmt_more_results(c->stmt) : mysql_more_results(mysql);
		return more ? (c->stmt ? REEF_MYSQL_STMT_NEXT : REEF_MYSQL_NEXT) : machine_finish(L, c);
	}
	if (c->stmt) {
		c->fields = c->stmt->fields;
		reef_mysql_columns_bind(L, &c->binds, c->stmt, c->columns);
	} else {
		c->calls.result = mysql_use_result(mysql);
		if (c->calls.result == NULL)
			return machine_failed(L, c);
		c->fields = mysql_fetch_fields(c->calls.result);
	}
	c->rows = 0;
	lua_createtable(L, 1, 0);
	lua_replace(L, AT(c, ROWS));
	if (c->reading == REEF_MYSQL_STREAM && !c->streaming) {
		c->streaming = true;
		machine_make_names(L, c);
		lua_pushvalue(L, AT(c, NAMES));
		lua_setiuservalue(L, REEF_SQL_AT_CONNECTION, REEF_MYSQL_STREAM_NAMES);
		lua_pushvalue(L, REEF_SQL_AT_ARGUMENTS);
		lua_setiuservalue(L, REEF_SQL_AT_CONNECTION, REEF_MYSQL_STREAM_OF);
		lua_pushvalue(L, AT(c, NAMES));
		lua_pushboolean(L, 1);
		return machine_done(c, 2);
	}
	return machine_row_call(c);
}

static void machine_add_row(lua_State *L, struct reef_mysql_connection *c) {
	unsigned long *lengths = c->stmt ? NULL : mysql_fetch_lengths(c->calls.result);
	bool known = c->streaming || c->rows > 0;
	/* One row needs no list of the names. */
	if (c->rows == 1 && !c->streaming && !c->compact)
		machine_make_names(L, c);
	lua_createtable(L, c->compact ? (int)c->columns : 0, c->compact ? 0 : (int)c->columns);
	for (unsigned i = 0; i < c->columns; i++) {
		const MYSQL_FIELD *field = &c->fields[i];
		if (!c->compact && known)
			lua_rawgeti(L, AT(c, NAMES), (lua_Integer)i + 1);
		else if (!c->compact)
			machine_push_name(L, c, i);
		if (c->stmt)
			c->bytes += reef_mysql_push_column(L, c->stmt, field, i, &c->binds, c->exact);
		else if (c->calls.row[i])
			c->bytes += reef_mysql_push_text(L, field, c->calls.row[i], lengths[i], c->exact);
		else
			lua_pushnil(L);
		if (c->compact)
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		else
			lua_rawset(L, -3);
	}
	c->bytes += c->columns * 16;
	lua_rawseti(L, AT(c, ROWS), ++c->rows);
}

/* A part of a stream is full. */
static enum reef_mysql_call machine_part(lua_State *L, struct reef_mysql_connection *c, bool more) {
	lua_pushvalue(L, AT(c, ROWS));
	lua_pushboolean(L, more);
	if (!more)
		machine_end_stream(L, c);
	return machine_done(c, 2);
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
		lua_pushvalue(L, AT(c, ROWS));
		reef_sql_add_result(L, AT(c, RESULTS), &c->results);
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

/* What follows a call that is over. NO_CALL: nothing, and `state` is what it has come to; or `later` says what. */
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
		return machine_done(c, 1);
	}
}

static int machine_wants(int wants) {
	bool writes = wants & MYSQL_WAIT_WRITE, reads = (wants & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT)) || !writes;
	return (writes ? REEF_FD_WRITE : 0) | (reads ? REEF_FD_READ : 0);
}

static int machine_run(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call over, int wants) {
	while (wants == 0) {
		over = machine_follow(L, c, over);
		if (over == REEF_MYSQL_NO_CALL)
			return c->later == REEF_MYSQL_NO_CALL ? c->state : REEF_FD_WRITE;
		wants = reef_mysql_calls_start(&c->calls, over);
	}
	return machine_wants(wants);
}

static int machine_start(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call call) {
	int wants = reef_mysql_calls_start(&c->calls, call);
	return machine_run(L, c, call, wants);
}

int reef_mysql_begin(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call first, MYSQL_STMT *stmt) {
	c->sql.busy = true;
	c->first = first;
	c->stmt = stmt;
	c->burst = 0;
	c->bytes = c->rows = c->results = 0;
	lua_settop(L, c->sql.base + REEF_MYSQL_KEPT);
	return machine_start(L, c, machine_begin_first(c));
}

int reef_mysql_begin_part(lua_State *L, struct reef_mysql_connection *c) {
	c->sql.busy = true;
	c->burst = 0;
	c->bytes = c->rows = 0;
	c->calls.stmt = c->stmt;
	lua_pushnil(L);
	lua_createtable(L, 16, 0);
	lua_getiuservalue(L, REEF_SQL_AT_CONNECTION, REEF_MYSQL_STREAM_NAMES);
	return machine_start(L, c, machine_row_call(c));
}

int reef_mysql_connect(lua_State *L, struct reef_mysql_connection *c) {
	c->sql.busy = true;
	c->opening = reef_mysql_opening_begin(c->calls.mysql, &c->login);
	if (c->opening)
		return REEF_FD_READ;
	lua_pushfstring(L, "no thread to connect: %s", strerrordesc_np(errno));
	lua_pushinteger(L, 0);
	return REEF_SQL_LOST;
}

/* Goes on with connecting. */
static int machine_open(lua_State *L, struct reef_mysql_connection *c, bool late) {
	bool connected = false;
	if (!late && !reef_mysql_opening_is_over(c->opening))
		return REEF_FD_READ;
	struct reef_mysql_opening *opening = c->opening;
	c->opening = NULL;
	if (!reef_mysql_opening_end(opening, &connected))
		c->calls.mysql = NULL;
	if (connected) {
		/* With TLS, libmariadb leaves it as it was while connecting. */
		my_socket fd = mysql_get_socket(c->calls.mysql);
		fcntl(fd, F_SETFL, fcntl(fd, F_GETFL) | O_NONBLOCK);
		c->calls.tls = mysql_get_ssl_cipher(c->calls.mysql) != NULL;
		lua_pushboolean(L, 1);
		c->sql.pushed = 1;
		return REEF_SQL_OVER;
	}
	lua_pushstring(L, c->calls.mysql ? mysql_error(c->calls.mysql) : "no answer in time");
	lua_pushinteger(L, c->calls.mysql ? mysql_errno(c->calls.mysql) : 0);
	reef_mysql_close(c);
	return REEF_SQL_LOST;
}

static int mysql_go(lua_State *L, struct reef_sql_connection *sql, int ready) {
	struct reef_mysql_connection *c = (struct reef_mysql_connection *)sql;
	if (c->opening)
		return machine_open(L, c, ready == 0);
	/* With TLS, libmariadb does not hear of it: it would wait again. */
	if (ready == 0)
		shutdown(mysql_get_socket(c->calls.mysql), SHUT_RDWR);
	c->burst = 0;
	if (c->later != REEF_MYSQL_NO_CALL) {
		enum reef_mysql_call later = c->later;
		c->later = REEF_MYSQL_NO_CALL;
		return machine_start(L, c, later);
	}
	enum reef_mysql_call call = c->calls.waiting;
	int bits = ready == 0 ? MYSQL_WAIT_TIMEOUT : 0;
	bits |= (ready & REEF_FD_READ ? MYSQL_WAIT_READ : 0) | (ready & REEF_FD_WRITE ? MYSQL_WAIT_WRITE : 0);
	int wants = reef_mysql_calls_go(&c->calls, bits);
	return machine_run(L, c, call, wants);
}

static int mysql_fd(struct reef_sql_connection *sql) {
	struct reef_mysql_connection *c = (struct reef_mysql_connection *)sql;
	return c->opening ? reef_mysql_opening_fd(c->opening) : (int)mysql_get_socket(c->calls.mysql);
}

static bool mysql_alive(struct reef_sql_connection *sql) {
	struct reef_mysql_connection *c = (struct reef_mysql_connection *)sql;
	char byte;
	if (c->calls.mysql == NULL || c->opening)
		return false;
	ssize_t n = recv(mysql_get_socket(c->calls.mysql), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
	return n < 0 ? errno == EAGAIN || errno == EINTR : n > 0 && c->calls.tls;
}

static void mysql_close_connection(struct reef_sql_connection *sql) {
	reef_mysql_close((struct reef_mysql_connection *)sql);
}

const struct reef_sql_driver reef_mysql_driver = {
		.go = mysql_go, .fd = mysql_fd, .alive = mysql_alive, .close = mysql_close_connection};

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
	bool connected, orderly = !c->sql.busy && !c->streaming;
	reef_sql_closed(&c->sql);
	struct reef_mysql_opening *opening = c->opening;
	c->opening = NULL;
	if (opening && !reef_mysql_opening_end(opening, &connected))
		c->calls.mysql = NULL;
	if (c->calls.mysql == NULL)
		return;
	if (!orderly)
		machine_cut(c);
	if (c->calls.result) {
		/* Its rows would be read to the end. */
		machine_cut(c);
		machine_free_result(c);
	}
	if (reef_mysql_calls_start(&c->calls, REEF_MYSQL_QUIT) != 0)
		machine_cut(c);
	c->calls.mysql = NULL;
	c->later = REEF_MYSQL_NO_CALL;
	c->streaming = false;
	while (c->dead_count > 0)
		mysql_stmt_close(c->dead[--c->dead_count]);
}
