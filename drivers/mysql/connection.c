/* See connection.h. */
#include "connection.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <string.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "core/host/host.h"
#include "reading.h"

/* ---- the run ---- */

static int machine_wants(int wants) {
	bool writes = wants & MYSQL_WAIT_WRITE, reads = (wants & (MYSQL_WAIT_READ | MYSQL_WAIT_EXCEPT)) || !writes;
	/* It has read until there was nothing more. */
	return writes ? REEF_FD_WRITE | (reads ? REEF_FD_READ : 0) : REEF_SQL_MORE;
}

static int machine_run(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call over, int wants) {
	while (wants == 0) {
		over = reef_mysql_follow(L, c, over);
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

int reef_mysql_begin(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call first,
					 struct reef_mysql_statement *statement) {
	c->sql.busy = true;
	c->first = first;
	c->statement = statement;
	c->stmt = statement ? statement->stmt : NULL;
	c->burst = 0;
	c->bytes = c->rows = c->results = 0;
	lua_settop(L, c->sql.base + REEF_MYSQL_KEPT);
	return machine_start(L, c, reef_mysql_first_call(c));
}

int reef_mysql_begin_part(lua_State *L, struct reef_mysql_connection *c) {
	c->sql.busy = true;
	c->burst = 0;
	c->bytes = c->rows = 0;
	c->calls.stmt = c->stmt;
	lua_pushnil(L);
	lua_createtable(L, 16, 0);
	lua_getiuservalue(L, c->sql.self, REEF_MYSQL_STREAM_NAMES);
	return machine_start(L, c, reef_mysql_row_call(c));
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
		.name = "mysql", .go = mysql_go, .fd = mysql_fd, .alive = mysql_alive, .close = mysql_close_connection};

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
		reef_mysql_free_result(c);
	}
	if (reef_mysql_calls_start(&c->calls, REEF_MYSQL_QUIT) != 0)
		machine_cut(c);
	c->calls.mysql = NULL;
	c->later = REEF_MYSQL_NO_CALL;
	c->streaming = false;
	while (c->dead_count > 0)
		mysql_stmt_close(c->dead[--c->dead_count]);
}
