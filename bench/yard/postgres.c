/* libpq doing the work of bench/sql.lua: the yardstick. `yard_postgres DIRECTORY:PORT`. Rows become Lua tables here, too. */
#include <lauxlib.h>
#include <libpq-fe.h>
#include <lua.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define TEXT 25 /* the type `text` */

static PGconn *pg;
static lua_State *L;

static double seconds(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static void report(const char *name, int n, double cpu, double wall) {
	printf("RESULT libpq_%s cpu=%.9g wall=%.9g\n", name, (seconds(CLOCK_PROCESS_CPUTIME_ID) - cpu) / n * 1e6,
		   (seconds(CLOCK_MONOTONIC) - wall) / n * 1e6);
}

static void require(int ok) {
	if (!ok) {
		fprintf(stderr, "%s\n", PQerrorMessage(pg));
		exit(1);
	}
}

/* Reads what comes into lists of tables. */
static void read_results(void) {
	PGresult *result;
	lua_newtable(L);
	lua_Integer count = 0;
	while ((result = PQgetResult(pg))) {
		require(PQresultStatus(result) == PGRES_TUPLES_OK || PQresultStatus(result) == PGRES_SINGLE_TUPLE);
		int rows = PQntuples(result), columns = PQnfields(result);
		for (int r = 0; r < rows; r++) {
			lua_createtable(L, 0, columns);
			for (int i = 0; i < columns; i++) {
				if (PQgetisnull(result, r, i))
					continue;
				lua_pushstring(L, PQfname(result, i));
				if (PQftype(result, i) == TEXT || lua_stringtonumber(L, PQgetvalue(result, r, i)) == 0)
					lua_pushlstring(L, PQgetvalue(result, r, i), (size_t)PQgetlength(result, r, i));
				lua_rawset(L, -3);
			}
			lua_rawseti(L, -2, ++count);
		}
		PQclear(result);
	}
	lua_pop(L, 1);
}

int main(int argc, char **argv) {
	char *colon = argc < 2 ? NULL : strrchr(argv[1], ':');
	if (colon == NULL)
		return 2;
	*colon = '\0';
	L = luaL_newstate();
	pg = PQsetdbLogin(argv[1], colon + 1, NULL, NULL, "postgres", "postgres", NULL);
	require(PQstatus(pg) == CONNECTION_OK);
	int n = 5000;
	char text[96];
	double cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
	for (int i = 1; i <= n; i++) {
		snprintf(text, sizeof text, "SELECT id, name, n FROM account WHERE id = %d", i);
		require(PQsendQuery(pg, text));
		read_results();
	}
	report("one", n, cpu, wall);
	PQclear(PQprepare(pg, "p", "SELECT id, name, n FROM account WHERE id = $1", 0, NULL));
	cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
	for (int i = 1; i <= n; i++) {
		const char *values[] = {text};
		snprintf(text, sizeof text, "%d", i);
		require(PQsendQueryPrepared(pg, "p", 1, values, NULL, NULL, 0));
		read_results();
	}
	report("prepared", n, cpu, wall);
	for (int stream = 0; stream < 2; stream++) {
		cpu = seconds(CLOCK_PROCESS_CPUTIME_ID), wall = seconds(CLOCK_MONOTONIC);
		for (int i = 0; i < 10; i++) {
			require(PQsendQuery(pg, "SELECT id, name, n FROM account"));
			if (stream)
				PQsetSingleRowMode(pg);
			read_results();
		}
		report(stream ? "rows" : "all", 10, cpu, wall);
	}
	PQfinish(pg);
	lua_close(L);
	return 0;
}
