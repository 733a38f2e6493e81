/* See lua_mysql.h. Who calls has looked at the options already (reef.mysql.options). */
#include "lua_mysql.h"

#include <errno.h>
#include <lauxlib.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "connection.h"
#include "core/alloc.h"

#define CONNECTION "reef.mysql.connection"
#define STATEMENT "reef.mysql.statement"
#define STACK ((size_t)128 * 1024) /* bytes for libmariadb's calls that wait, handshakes of TLS among them */

static struct reef_mysql_connection *lua_mysql_check(lua_State *L) {
	struct reef_mysql_connection *c = luaL_checkudata(L, 1, CONNECTION);
	if (c->calls.mysql == NULL)
		luaL_error(L, "mysql: this connection is closed");
	return c;
}

static struct reef_mysql_connection *lua_mysql_idle(lua_State *L, bool streaming) {
	struct reef_mysql_connection *c = lua_mysql_check(L);
	if (c->opening || c->running || c->calls.waiting != REEF_MYSQL_NO_CALL)
		luaL_error(L, "mysql: this connection is in use");
	if (c->streaming != streaming)
		luaL_error(L, c->streaming ? "mysql: rows of this connection wait to be read" : "mysql: there are no rows");
	return c;
}

/* ---- connecting ---- */

static const char *lua_mysql_option(lua_State *L, int table, const char *name) {
	lua_getfield(L, table, name);
	const char *value = lua_tostring(L, -1);
	lua_pop(L, 1);
	return value;
}

static bool lua_mysql_option_set(lua_State *L, int table, const char *name) {
	lua_getfield(L, table, name);
	bool value = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return value;
}

static void lua_mysql_set_tls(lua_State *L, MYSQL *mysql, int tls) {
	my_bool yes = 1;
	const char *minimum = lua_mysql_option(L, tls, "min_version"), *ciphers = lua_mysql_option(L, tls, "ciphers");
	const char *file = NULL, *directory = NULL;
	bool verify = lua_mysql_option_set(L, tls, "verify");
	if (verify) {
		file = lua_mysql_option(L, tls, "ca_file");
		directory = lua_mysql_option(L, tls, "ca_dir");
		/* Where none are named, libmariadb looks at the chain only if the name matters, too. */
		if (!file && !directory)
			directory = X509_get_default_cert_dir();
	}
	mysql_ssl_set(mysql, lua_mysql_option(L, tls, "key_file"), lua_mysql_option(L, tls, "cert_file"), file, directory,
				  ciphers);
	mysql_optionsv(mysql, MYSQL_OPT_SSL_ENFORCE, &yes);
	if (lua_mysql_option(L, tls, "password"))
		mysql_optionsv(mysql, MARIADB_OPT_TLS_PASSPHRASE, lua_mysql_option(L, tls, "password"));
	mysql_optionsv(mysql, MARIADB_OPT_TLS_VERSION,
				   minimum && strcmp(minimum, "1.3") == 0 ? "TLSv1.3" : "TLSv1.2,TLSv1.3");
	my_bool names = verify && lua_mysql_option_set(L, tls, "verify_host");
	mysql_optionsv(mysql, MYSQL_OPT_SSL_VERIFY_SERVER_CERT, &names);
}

static void lua_mysql_set_options(lua_State *L, struct reef_mysql_connection *c) {
	MYSQL *mysql = c->calls.mysql;
	unsigned int no = 0;
	size_t stack = STACK;
	mysql_optionsv(mysql, MYSQL_OPT_NONBLOCK, &stack);
	/* Else "localhost" would be a Unix socket. */
	enum mysql_protocol_type protocol = lua_mysql_option(L, 2, "path") ? MYSQL_PROTOCOL_SOCKET : MYSQL_PROTOCOL_TCP;
	mysql_optionsv(mysql, MYSQL_OPT_PROTOCOL, &protocol);
	lua_getfield(L, 2, "seconds");
	unsigned int seconds = (unsigned int)lua_tointeger(L, -1);
	mysql_optionsv(mysql, MYSQL_OPT_CONNECT_TIMEOUT, &seconds);
	mysql_optionsv(mysql, MYSQL_OPT_READ_TIMEOUT, &seconds);
	mysql_optionsv(mysql, MYSQL_OPT_WRITE_TIMEOUT, &seconds);
	/* Else a server could ask for any file. */
	mysql_optionsv(mysql, MYSQL_OPT_LOCAL_INFILE, &no);
	if (lua_mysql_option(L, 2, "charset"))
		mysql_optionsv(mysql, MYSQL_SET_CHARSET_NAME, lua_mysql_option(L, 2, "charset"));
	lua_getfield(L, 2, "max_packet_size");
	unsigned long most = (unsigned long)lua_tointeger(L, -1);
	if (most)
		mysql_optionsv(mysql, MYSQL_OPT_MAX_ALLOWED_PACKET, &most);
	if (lua_mysql_option_set(L, 2, "compress"))
		mysql_optionsv(mysql, MYSQL_OPT_COMPRESS, NULL);
	if (lua_mysql_option(L, 2, "auth_plugins"))
		mysql_optionsv(mysql, MARIADB_OPT_RESTRICTED_AUTH, lua_mysql_option(L, 2, "auth_plugins"));
	if (lua_getfield(L, 2, "tls") == LUA_TTABLE)
		lua_mysql_set_tls(L, mysql, lua_gettop(L));
	lua_getfield(L, 2, "port");
	c->login = (struct reef_mysql_login){
			.host = lua_mysql_option(L, 2, "host"),
			.user = lua_mysql_option(L, 2, "user"),
			.password = lua_mysql_option(L, 2, "password"),
			.database = lua_mysql_option(L, 2, "database"),
			.path = lua_mysql_option(L, 2, "path"),
			.port = (unsigned int)lua_tointeger(L, -1),
			.flags = CLIENT_MULTI_STATEMENTS | CLIENT_MULTI_RESULTS,
	};
	if (lua_mysql_option_set(L, 2, "found_rows"))
		c->login.flags |= CLIENT_FOUND_ROWS;
	c->exact = lua_mysql_option_set(L, 2, "exact");
	lua_settop(L, 2);
}

static void lua_mysql_library_begin(void) {
	mysql_server_init(0, NULL, NULL);
}

/* (options) -> connection, which is not connected; its options stay with it */
static int lua_mysql_new(lua_State *L) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, lua_mysql_library_begin);
	luaL_checktype(L, 1, LUA_TTABLE);
	struct reef_mysql_connection *c = lua_newuserdatauv(L, sizeof *c, REEF_MYSQL_VALUES);
	memset(c, 0, sizeof *c);
	luaL_setmetatable(L, CONNECTION);
	lua_insert(L, 1);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, 1, REEF_MYSQL_OPTIONS);
	c->calls.mysql = mysql_init(NULL);
	if (c->calls.mysql == NULL)
		return luaL_error(L, "mysql: out of memory for a connection");
	lua_mysql_set_options(L, c);
	lua_settop(L, 1);
	return 1;
}

static int lua_mysql_connect(lua_State *L) {
	return reef_mysql_connect(L, lua_mysql_idle(L, false));
}

/* ---- operations ---- */

static void lua_mysql_begin_reading(lua_State *L, struct reef_mysql_connection *c, int compact) {
	c->compact = lua_toboolean(L, compact);
	c->reading = lua_toboolean(L, compact + 1) ? REEF_MYSQL_STREAM : REEF_MYSQL_ALL;
}

static void lua_mysql_hold(lua_State *L, int index) {
	lua_pushvalue(L, index);
	lua_setiuservalue(L, 1, REEF_MYSQL_HELD);
}

/* connection:query(sql, compact, stream) */
static int lua_mysql_query(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_idle(L, false);
	c->calls.text = luaL_checklstring(L, 2, &c->calls.size);
	lua_mysql_begin_reading(L, c, 3);
	lua_mysql_hold(L, 2);
	return reef_mysql_begin(L, c, REEF_MYSQL_QUERY, NULL);
}

static struct reef_mysql_statement *lua_mysql_check_statement(lua_State *L, struct reef_mysql_connection *c) {
	struct reef_mysql_statement *s = luaL_checkudata(L, 2, STATEMENT);
	if (s->stmt == NULL || s->connection != c)
		luaL_error(L, "mysql: this statement is %s", s->stmt ? "of another connection" : "closed");
	return s;
}

/* connection:statement() -> a statement, to be prepared */
static int lua_mysql_statement(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_idle(L, false);
	struct reef_mysql_statement *s = lua_newuserdatauv(L, sizeof *s, 1);
	memset(s, 0, sizeof *s);
	s->connection = c;
	luaL_setmetatable(L, STATEMENT);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	s->stmt = mysql_stmt_init(c->calls.mysql);
	if (s->stmt == NULL)
		return luaL_error(L, "mysql: out of memory for a statement");
	return 1;
}

/* connection:prepare(statement, sql) */
static int lua_mysql_prepare(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_idle(L, false);
	struct reef_mysql_statement *s = lua_mysql_check_statement(L, c);
	c->calls.text = luaL_checklstring(L, 3, &c->calls.size);
	lua_mysql_hold(L, 3);
	return reef_mysql_begin(L, c, REEF_MYSQL_PREPARE, s->stmt);
}

static void lua_mysql_push_field(lua_State *L, const MYSQL_FIELD *field) {
	lua_createtable(L, 0, 9);
	const struct {
		const char *name, *value;
	} texts[] = {{"name", field->name},   {"org_name", field->org_name},
				 {"table", field->table}, {"org_table", field->org_table},
				 {"db", field->db},       {"catalog", field->catalog}};
	for (size_t i = 0; i < sizeof texts / sizeof *texts; i++) {
		lua_pushstring(L, texts[i].value);
		lua_setfield(L, -2, texts[i].name);
	}
	const struct {
		const char *name;
		unsigned long value;
	} numbers[] = {{"type", field->type},
				   {"flags", field->flags},
				   {"decimals", field->decimals},
				   {"length", field->length},
				   {"charsetnr", field->charsetnr}};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		lua_pushinteger(L, (lua_Integer)numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
}

/* connection:describe(statement) -> table with what its preparation has told */
static int lua_mysql_describe(lua_State *L) {
	struct reef_mysql_statement *s = lua_mysql_check_statement(L, lua_mysql_check(L));
	unsigned long parameters = mysql_stmt_param_count(s->stmt);
	unsigned fields = mysql_stmt_field_count(s->stmt);
	lua_createtable(L, 0, 6);
	const struct {
		const char *name;
		unsigned long value;
	} numbers[] = {{"prepare_id", s->stmt->stmt_id},
				   {"param_count", parameters},
				   {"field_count", fields},
				   {"warning_count", (unsigned long)mysql_stmt_warning_count(s->stmt)}};
	for (size_t i = 0; i < sizeof numbers / sizeof *numbers; i++) {
		lua_pushinteger(L, (lua_Integer)numbers[i].value);
		lua_setfield(L, -2, numbers[i].name);
	}
	/* libmariadb does not keep what the server says of parameters: it is the same of each. */
	lua_createtable(L, (int)parameters, 0);
	for (unsigned long i = 1; i <= parameters; i++) {
		lua_createtable(L, 0, 2);
		lua_pushliteral(L, "?");
		lua_setfield(L, -2, "name");
		lua_pushinteger(L, MYSQL_TYPE_VAR_STRING);
		lua_setfield(L, -2, "type");
		lua_rawseti(L, -2, (lua_Integer)i);
	}
	lua_setfield(L, -2, "params");
	lua_createtable(L, (int)fields, 0);
	MYSQL_RES *result = fields ? mysql_stmt_result_metadata(s->stmt) : NULL;
	for (unsigned i = 0; result && i < fields; i++) {
		lua_mysql_push_field(L, mysql_fetch_field_direct(result, i));
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
	if (result)
		mysql_free_result(result);
	lua_setfield(L, -2, "fields");
	return 1;
}

/* connection:execute(statement, compact, stream, values...) */
static int lua_mysql_execute(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_idle(L, false);
	struct reef_mysql_statement *s = lua_mysql_check_statement(L, c);
	unsigned count = (unsigned)mysql_stmt_param_count(s->stmt);
	int given = lua_gettop(L) - 4;
	if (given != (int)count)
		return luaL_error(L, "mysql: the statement has %d parameters, not %d", (int)count, given);
	lua_mysql_begin_reading(L, c, 3);
	if (count > 0) {
		reef_mysql_parameters_set(L, &s->parameters, 5, count);
		lua_createtable(L, (int)count, 0);
		for (int i = 1; i <= (int)count; i++) {
			lua_pushvalue(L, 4 + i);
			lua_rawseti(L, -2, i);
		}
		lua_setiuservalue(L, 1, REEF_MYSQL_HELD);
		mysql_stmt_bind_param(s->stmt, s->parameters.binds);
	}
	return reef_mysql_begin(L, c, REEF_MYSQL_EXECUTE, s->stmt);
}

/* connection:fetch(most rows, most bytes [, drop]): the next rows of a stream, and whether there may be more */
static int lua_mysql_fetch(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_idle(L, true);
	c->most_rows = luaL_checkinteger(L, 2);
	c->most_bytes = luaL_checkinteger(L, 3);
	if (lua_toboolean(L, 4))
		c->reading = REEF_MYSQL_DROP;
	return reef_mysql_begin(L, c, c->stmt ? REEF_MYSQL_STMT_ROW : REEF_MYSQL_ROW, c->stmt);
}

static int lua_mysql_ping(lua_State *L) {
	return reef_mysql_begin(L, lua_mysql_idle(L, false), REEF_MYSQL_PING, NULL);
}

/* connection:reset(statement) */
static int lua_mysql_reset(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_idle(L, false);
	return reef_mysql_begin(L, c, REEF_MYSQL_STMT_RESET, lua_mysql_check_statement(L, c)->stmt);
}

/* connection:go(ready): ready is "r", "w" or "rw", or nil when it is too late */
static int lua_mysql_go(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_check(L);
	if (!c->opening && c->calls.waiting == REEF_MYSQL_NO_CALL && c->later == REEF_MYSQL_NO_CALL)
		return luaL_error(L, "mysql: nothing waits");
	const char *ready = lua_tostring(L, 2);
	int bits = ready == NULL ? MYSQL_WAIT_TIMEOUT : 0;
	if (ready)
		bits = (strchr(ready, 'r') ? MYSQL_WAIT_READ : 0) | (strchr(ready, 'w') ? MYSQL_WAIT_WRITE : 0);
	return reef_mysql_go(L, c, bits);
}

/* ---- what it is ---- */

static int lua_mysql_fd(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_check(L);
	lua_pushinteger(L, c->opening ? reef_mysql_opening_fd(c->opening) : (lua_Integer)mysql_get_socket(c->calls.mysql));
	return 1;
}

/* -> "open" within a transaction, else "idle" */
static int lua_mysql_transaction(lua_State *L) {
	lua_pushstring(L, lua_mysql_check(L)->calls.mysql->server_status & SERVER_STATUS_IN_TRANS ? "open" : "idle");
	return 1;
}

/* Does no operation go on? */
static int lua_mysql_is_idle(lua_State *L) {
	struct reef_mysql_connection *c = luaL_checkudata(L, 1, CONNECTION);
	lua_pushboolean(L, !c->opening && !c->running && c->calls.waiting == REEF_MYSQL_NO_CALL);
	return 1;
}

/* Has the server ended it while nobody asked anything? */
static int lua_mysql_alive(lua_State *L) {
	struct reef_mysql_connection *c = luaL_checkudata(L, 1, CONNECTION);
	bool alive = c->calls.mysql != NULL;
	if (alive) {
		char byte;
		ssize_t n = recv(mysql_get_socket(c->calls.mysql), &byte, 1, MSG_PEEK | MSG_DONTWAIT);
		alive = n < 0 ? errno == EAGAIN || errno == EINTR : n > 0 && mysql_get_ssl_cipher(c->calls.mysql) != NULL;
	}
	lua_pushboolean(L, alive);
	return 1;
}

static int lua_mysql_info(lua_State *L) {
	MYSQL *mysql = lua_mysql_check(L)->calls.mysql;
	lua_createtable(L, 0, 3);
	lua_pushstring(L, mysql_get_server_info(mysql));
	lua_setfield(L, -2, "version");
	lua_pushinteger(L, (lua_Integer)mysql_thread_id(mysql));
	lua_setfield(L, -2, "id");
	lua_pushstring(L, mysql_get_ssl_cipher(mysql));
	lua_setfield(L, -2, "cipher");
	return 1;
}

static int lua_mysql_close(lua_State *L) {
	reef_mysql_close(luaL_checkudata(L, 1, CONNECTION));
	return 0;
}

static int lua_mysql_gc(lua_State *L) {
	struct reef_mysql_connection *c = luaL_checkudata(L, 1, CONNECTION);
	reef_mysql_close(c);
	reef_free(c->dead);
	reef_free(c->scratch.bytes);
	c->dead = NULL;
	c->scratch.bytes = NULL;
	c->dead_room = 0;
	return 0;
}

static int lua_mysql_statement_gc(lua_State *L) {
	struct reef_mysql_statement *s = luaL_checkudata(L, 1, STATEMENT);
	if (s->stmt)
		reef_mysql_bury(s->connection, s->stmt);
	s->stmt = NULL;
	reef_mysql_parameters_fini(&s->parameters);
	return 0;
}

static void lua_mysql_new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc) {
	luaL_newmetatable(L, name);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

int reef_open_mysql(lua_State *L) {
	static const luaL_Reg connection[] = {
			{"connect", lua_mysql_connect},
			{"query", lua_mysql_query},
			{"statement", lua_mysql_statement},
			{"prepare", lua_mysql_prepare},
			{"describe", lua_mysql_describe},
			{"execute", lua_mysql_execute},
			{"fetch", lua_mysql_fetch},
			{"ping", lua_mysql_ping},
			{"reset", lua_mysql_reset},
			{"go", lua_mysql_go},
			{"fd", lua_mysql_fd},
			{"alive", lua_mysql_alive},
			{"info", lua_mysql_info},
			{"idle", lua_mysql_is_idle},
			{"transaction", lua_mysql_transaction},
			{"close", lua_mysql_close},
			{NULL, NULL},
	};
	static const luaL_Reg statement[] = {{"close", lua_mysql_statement_gc}, {NULL, NULL}};
	static const luaL_Reg functions[] = {{"new", lua_mysql_new}, {NULL, NULL}};
	lua_mysql_new_class(L, CONNECTION, connection, lua_mysql_gc);
	lua_mysql_new_class(L, STATEMENT, statement, lua_mysql_statement_gc);
	luaL_newlib(L, functions);
	return 1;
}
