/* See prompt.h. What is typed passes no seam: it may look at everything, and does nothing outside. */
#include "prompt.h"

#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "core/host/host.h"
#include "tape.h"

static int run_line(lua_State *L) {
	const char *line = lua_touserdata(L, 1);
	lua_settop(L, 0);
	lua_pushfstring(L, "return %s", line);
	if (luaL_loadbufferx(L, lua_tostring(L, 1), strlen(lua_tostring(L, 1)), "=prompt", "t") != LUA_OK) {
		lua_settop(L, 1);
		if (luaL_loadbufferx(L, line, strlen(line), "=prompt", "t") != LUA_OK)
			return lua_error(L);
	}
	lua_call(L, 0, LUA_MULTRET);
	for (int i = 2; i <= lua_gettop(L); i++)
		printf("%s%s", i > 2 ? "\t" : "", luaL_tolstring(L, i, NULL)), lua_pop(L, 1);
	putchar('\n');
	return 0;
}

void reef_replay_prompt(struct reef_host *host, uint64_t message, double seconds) {
	lua_State *L = reef_host_main(host);
	struct reef_seam *seam = &reef_tape_of(L)->host.seam;
	char line[4096];
	seam->off++;
	printf("replay: before message %llu, after %.3f s; Lua of the service, `cont` goes on\n",
		   (unsigned long long)message, seconds);
	for (;;) {
		fputs("replay> ", stdout);
		fflush(stdout);
		if (fgets(line, sizeof line, stdin) == NULL || strcmp(line, "cont\n") == 0)
			break;
		lua_pushcfunction(L, run_line);
		lua_pushlightuserdata(L, line);
		if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
			printf("%s\n", luaL_tolstring(L, -1, NULL));
			lua_pop(L, 2);
		}
	}
	seam->off--;
}
