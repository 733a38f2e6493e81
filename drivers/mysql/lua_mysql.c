/* See lua_mysql.h. Who calls has looked at the options already (reef.mysql.options). */
#include "lua_mysql.h"

#include <lauxlib.h>
#include <openssl/x509.h>
#include <pthread.h>
#include <string.h>

#include "connection.h"
#include "core/alloc.h"
#include "greeting.h"

#define CONNECTION "reef.mysql.connection"
#define STATEMENT "reef.mysql.statement"
#define STACK ((size_t)128 * 1024) /* bytes for libmariadb's calls that wait, handshakes of TLS among them */

static const char mark; /* of statements */

static struct reef_mysql_connection *lua_mysql_check(lua_State *L) {
	struct reef_mysql_connection *c = luaL_checkudata(L, 1, CONNECTION);
	if (c->calls.mysql == NULL)
		luaL_error(L, "mysql: this connection is closed");
	return c;
}

/* An operation is about to begin, after the rows of a stream or not. */
static struct reef_mysql_connection *lua_mysql_begin(lua_State *L, struct reef_sql_connection *sql, bool streaming) {
	struct reef_mysql_connection *c = (struct reef_mysql_connection *)sql;
	if (sql->busy)
		luaL_error(L, "mysql: this connection is in use");
	if (c->streaming != streaming)
		luaL_error(L, c->streaming ? "mysql: rows of this connection wait to be read" : "mysql: there are no rows");
	return c;
}

/* ---- connecting ---- */

static const char *lua_mysql_option(lua_State *L, int table, const char *name) {
	lua_getfield(L, table, name);
	const char *value = lua_type(L, -1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
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

/* Pushes a copy of the table at that index, and of those in it: what the caller does with his, does not matter any more. */
static void lua_mysql_push_copy(lua_State *L, int index, bool nested) {
	lua_newtable(L);
	lua_pushnil(L);
	while (lua_next(L, index)) {
		lua_pushvalue(L, -2);
		lua_insert(L, -2);
		if (nested && lua_istable(L, -1)) {
			lua_mysql_push_copy(L, lua_gettop(L), false);
			lua_remove(L, -2);
		}
		lua_rawset(L, -4);
	}
}

static void lua_mysql_library_begin(void) {
	mysql_server_init(0, NULL, NULL);
	reef_mysql_greeting_setup();
}

/* (options) -> connection, which is not connected; a copy of its options stays with it */
static int lua_mysql_new(lua_State *L) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	pthread_once(&once, lua_mysql_library_begin);
	luaL_checktype(L, 1, LUA_TTABLE);
	struct reef_mysql_connection *c = lua_newuserdatauv(L, sizeof *c, REEF_MYSQL_VALUES);
	memset(c, 0, sizeof *c);
	reef_sql_connection_init(L, &c->sql, &reef_mysql_driver);
	luaL_setmetatable(L, CONNECTION);
	lua_insert(L, 1);
	lua_settop(L, 2);
	lua_mysql_push_copy(L, 2, true);
	lua_replace(L, 2);
	lua_pushvalue(L, 2);
	lua_setiuservalue(L, 1, REEF_MYSQL_OPTIONS);
	c->calls.mysql = mysql_init(NULL);
	if (c->calls.mysql == NULL)
		return luaL_error(L, "mysql: out of memory for a connection");
	lua_mysql_set_options(L, c);
	lua_settop(L, 1);
	return 1;
}

static int lua_mysql_connect(lua_State *L, struct reef_sql_connection *sql) {
	return reef_mysql_connect(L, lua_mysql_begin(L, sql, false));
}

/* ---- operations ---- */

#define ARGUMENT(n) (REEF_SQL_AT_ARGUMENTS - 1 + (n))

/* How many values there are. */
static int lua_mysql_begin_reading(lua_State *L, struct reef_mysql_connection *c) {
	int count = reef_sql_look_at_arguments(L, &c->sql);
	c->reading = c->sql.stream ? REEF_MYSQL_STREAM : REEF_MYSQL_ALL;
	return count;
}

/* query(sql, compact, stream) */
static int lua_mysql_query(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_mysql_connection *c = lua_mysql_begin(L, sql, false);
	c->calls.text = luaL_checklstring(L, sql->statement, &c->calls.size);
	lua_mysql_begin_reading(L, c);
	return reef_mysql_begin(L, c, REEF_MYSQL_QUERY, NULL);
}

static struct reef_mysql_statement *lua_mysql_check_statement(lua_State *L, int index,
															  const struct reef_mysql_connection *c) {
	struct reef_mysql_statement *s = lua_touserdata(L, index);
	if (s == NULL || lua_rawlen(L, index) != sizeof *s || s->mark != &mark)
		luaL_typeerror(L, index, STATEMENT);
	if (s->stmt == NULL || s->connection != c)
		luaL_error(L, "mysql: this statement is %s", s->stmt ? "of another connection" : "closed");
	return s;
}

/* connection:statement() -> a statement, to be prepared */
static int lua_mysql_statement(lua_State *L) {
	struct reef_mysql_connection *c = lua_mysql_begin(L, &lua_mysql_check(L)->sql, false);
	struct reef_mysql_statement *s = lua_newuserdatauv(L, sizeof *s, 1);
	memset(s, 0, sizeof *s);
	s->mark = &mark;
	s->connection = c;
	luaL_setmetatable(L, STATEMENT);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	s->stmt = mysql_stmt_init(c->calls.mysql);
	if (s->stmt == NULL)
		return luaL_error(L, "mysql: out of memory for a statement");
	return 1;
}

/* prepare(statement, sql) */
static int lua_mysql_prepare(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_mysql_connection *c = lua_mysql_begin(L, sql, false);
	struct reef_mysql_statement *s = lua_mysql_check_statement(L, ARGUMENT(1), c);
	c->calls.text = luaL_checklstring(L, ARGUMENT(2), &c->calls.size);
	return reef_mysql_begin(L, c, REEF_MYSQL_PREPARE, s);
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
	struct reef_mysql_statement *s = lua_mysql_check_statement(L, 2, lua_mysql_check(L));
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

/* execute(statement, compact, stream, values...) */
static int lua_mysql_execute(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_mysql_connection *c = lua_mysql_begin(L, sql, false);
	struct reef_mysql_statement *s = lua_mysql_check_statement(L, sql->statement, c);
	unsigned count = (unsigned)mysql_stmt_param_count(s->stmt);
	int given = lua_mysql_begin_reading(L, c);
	if (given != (int)count)
		return luaL_error(L, "mysql: the statement has %d parameters, not %d", (int)count, given);
	if (count > 0) {
		reef_mysql_parameters_set(L, &s->parameters, sql->values, count);
		mysql_stmt_bind_param(s->stmt, s->parameters.binds);
	}
	return reef_mysql_begin(L, c, REEF_MYSQL_EXECUTE, s);
}

/* fetch(most rows, most bytes [, drop]): the next rows of a stream, and whether there may be more */
static int lua_mysql_fetch(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_mysql_connection *c = lua_mysql_begin(L, sql, true);
	c->most_rows = luaL_checkinteger(L, ARGUMENT(1));
	c->most_bytes = luaL_checkinteger(L, ARGUMENT(2));
	if (sql->last >= ARGUMENT(3) && lua_toboolean(L, ARGUMENT(3)))
		c->reading = REEF_MYSQL_DROP;
	return reef_mysql_begin_part(L, c);
}

static int lua_mysql_ping(lua_State *L, struct reef_sql_connection *sql) {
	return reef_mysql_begin(L, lua_mysql_begin(L, sql, false), REEF_MYSQL_PING, NULL);
}

/* reset(statement) */
static int lua_mysql_reset(lua_State *L, struct reef_sql_connection *sql) {
	struct reef_mysql_connection *c = lua_mysql_begin(L, sql, false);
	return reef_mysql_begin(L, c, REEF_MYSQL_STMT_RESET, lua_mysql_check_statement(L, ARGUMENT(1), c));
}

/* ---- what it is ---- */

/* -> "open" within a transaction, else "idle" */
static int lua_mysql_transaction(lua_State *L) {
	lua_pushstring(L, lua_mysql_check(L)->calls.mysql->server_status & SERVER_STATUS_IN_TRANS ? "open" : "idle");
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
	struct reef_mysql_connection *c = luaL_checkudata(L, 1, CONNECTION);
	if (!reef_sql_close_later(&c->sql))
		reef_mysql_close(c);
	return 0;
}

static int lua_mysql_gc(lua_State *L) {
	struct reef_mysql_connection *c = luaL_checkudata(L, 1, CONNECTION);
	reef_mysql_close(c);
	reef_free(c->dead);
	reef_sql_names_fini(&c->names);
	c->dead = NULL;
	c->dead_room = 0;
	return 0;
}

/* An operation may be under way that still puts its rows into `columns`: they are freed with it. */
static int lua_mysql_statement_close(lua_State *L) {
	struct reef_mysql_statement *s = luaL_checkudata(L, 1, STATEMENT);
	if (s->stmt)
		reef_mysql_bury(s->connection, s->stmt);
	s->stmt = NULL;
	return 0;
}

static int lua_mysql_statement_gc(lua_State *L) {
	struct reef_mysql_statement *s = luaL_checkudata(L, 1, STATEMENT);
	lua_mysql_statement_close(L);
	reef_mysql_parameters_fini(&s->parameters);
	reef_mysql_columns_fini(&s->columns);
	return 0;
}

static void lua_mysql_new_class(lua_State *L, const char *name, const luaL_Reg *methods, lua_CFunction gc) {
	luaL_newmetatable(L, name);
	lua_newtable(L);
	luaL_setfuncs(L, methods, 0);
	lua_setfield(L, -2, "__index");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
}

int reef_open_mysql(lua_State *L) {
	static const luaL_Reg connection[] = {
			{"statement", lua_mysql_statement}, {"describe", lua_mysql_describe},
			{"info", lua_mysql_info},           {"transaction", lua_mysql_transaction},
			{"alive", reef_sql_alive},          {"idle", reef_sql_idle},
			{"close", lua_mysql_close},         {NULL, NULL},
	};
	static const struct reef_sql_operation operations[] = {
			{"connect", lua_mysql_connect, REEF_SQL_OTHER, &reef_mysql_driver},
			{"query", lua_mysql_query, REEF_SQL_TEXT_ALONE, &reef_mysql_driver},
			{"prepare", lua_mysql_prepare, REEF_SQL_OTHER, &reef_mysql_driver},
			{"execute", lua_mysql_execute, REEF_SQL_PREPARED, &reef_mysql_driver},
			{"fetch", lua_mysql_fetch, REEF_SQL_OTHER, &reef_mysql_driver},
			{"ping", lua_mysql_ping, REEF_SQL_OTHER, &reef_mysql_driver},
			{"reset", lua_mysql_reset, REEF_SQL_OTHER, &reef_mysql_driver},
			{NULL, NULL, REEF_SQL_OTHER, NULL},
	};
	static const luaL_Reg statement[] = {{"close", lua_mysql_statement_close}, {NULL, NULL}};
	static const luaL_Reg functions[] = {{"new", lua_mysql_new}, {NULL, NULL}};
	lua_mysql_new_class(L, CONNECTION, connection, lua_mysql_gc);
	reef_sql_mark_class(L);
	lua_mysql_new_class(L, STATEMENT, statement, lua_mysql_statement_gc);
	luaL_newlib(L, functions);
	reef_sql_push_operations(L, operations);
	lua_setfield(L, -2, "operations");
	return 1;
}
