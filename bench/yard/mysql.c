/* libmariadb doing the work of bench/sql.lua: the yardstick. `yard_mysql SOCKET`. Rows become Lua tables here, too. */
#include <lauxlib.h>
#include <lua.h>
#include <mysql.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static MYSQL *mysql;
static lua_State *L;

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *name, int n, double cpu, double wall) {
	printf("RESULT libmariadb_%s cpu=%.9g wall=%.9g\n", name, (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / n * 1e6,
		   (seconds(CLOCK_MONOTONIC) - wall) / n * 1e6);
}

static void require(int ok) {
	if (!ok) {
		fprintf(stderr, "%s\n", mysql_error(mysql));
		exit(1);
	}
}

/* Reads a result into a list of tables. */
static void read_result(MYSQL_RES *result) {
	require(result != NULL);
	MYSQL_FIELD *fields = mysql_fetch_fields(result);
	unsigned columns = mysql_num_fields(result);
	MYSQL_ROW row;
	lua_Integer count = 0;
	lua_newtable(L);
	while ((row = mysql_fetch_row(result))) {
		unsigned long *lengths = mysql_fetch_lengths(result);
		lua_createtable(L, 0, (int)columns);
		for (unsigned i = 0; i < columns; i++) {
			if (row[i] == NULL)
				continue;
			lua_pushlstring(L, fields[i].name, fields[i].name_length);
			if (!IS_NUM(fields[i].type) || lua_stringtonumber(L, row[i]) == 0)
				lua_pushlstring(L, row[i], lengths[i]);
			lua_rawset(L, -3);
		}
		lua_rawseti(L, -2, ++count);
	}
	mysql_free_result(result);
	lua_pop(L, 1);
}

static void query(const char *sql, int stream) {
	require(mysql_real_query(mysql, sql, (unsigned long)strlen(sql)) == 0);
	read_result(stream ? mysql_use_result(mysql) : mysql_store_result(mysql));
}

static void prepared(int n) {
	static const char sql[] = "SELECT id, name, n FROM account WHERE id = ?";
	MYSQL_STMT *stmt = mysql_stmt_init(mysql);
	require(mysql_stmt_prepare(stmt, sql, sizeof sql - 1) == 0);
	long long id, got[2];
	char name[64];
	unsigned long length;
	MYSQL_BIND in = {.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &id};
	MYSQL_BIND out[3] = {
			{.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &got[0]},
			{.buffer_type = MYSQL_TYPE_STRING, .buffer = name, .buffer_length = sizeof name, .length = &length},
			{.buffer_type = MYSQL_TYPE_LONGLONG, .buffer = &got[1]}};
	for (int i = 1; i <= n; i++) {
		id = i;
		mysql_stmt_bind_param(stmt, &in);
		require(mysql_stmt_execute(stmt) == 0);
		mysql_stmt_bind_result(stmt, out);
		lua_newtable(L);
		lua_Integer count = 0;
		while (mysql_stmt_fetch(stmt) == 0) {
			lua_createtable(L, 0, 3);
			lua_pushinteger(L, got[0]);
			lua_setfield(L, -2, "id");
			lua_pushlstring(L, name, length);
			lua_setfield(L, -2, "name");
			lua_pushinteger(L, got[1]);
			lua_setfield(L, -2, "n");
			lua_rawseti(L, -2, ++count);
		}
		lua_pop(L, 1);
	}
	mysql_stmt_close(stmt);
}

int main(int argc, char **argv) {
	if (argc < 2)
		return 2;
	L = luaL_newstate();
	mysql = mysql_init(NULL);
	require(mysql_real_connect(mysql, NULL, "root", NULL, "bench", 0, argv[1], 0) != NULL);
	int n = 5000;
	double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
	for (int i = 1; i <= n; i++) {
		char sql[96];
		snprintf(sql, sizeof sql, "SELECT id, name, n FROM account WHERE id = %d", i);
		query(sql, 0);
	}
	report("one", n, cpu, wall);
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
	prepared(n);
	report("prepared", n, cpu, wall);
	for (int stream = 0; stream < 2; stream++) {
		cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
		for (int i = 0; i < 10; i++)
			query("SELECT id, name, n FROM account", stream);
		report(stream ? "rows" : "all", 10, cpu, wall);
	}
	mysql_close(mysql);
	lua_close(L);
	return 0;
}
