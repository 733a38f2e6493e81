/* os.execute and os.exit. The C library's system(3) makes the whole process ignore SIGINT while the command runs, so that
 * a server whose service sits in a command could not be ended by it. Any thread. */
#include "lua_execute.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/end.h"
#include "host_private.h"
#include "name_check.h"

/* execute([command]) -> as the stock one */
int reef_lua_execute(lua_State *L) {
	const char *command = reef_opt_name(L, 1, NULL);
	if (command == NULL) {
		lua_pushboolean(L, access("/bin/sh", X_OK) == 0);
		return 1;
	}
	char shell[] = "sh", option[] = "-c", end[] = "--";
	char *arguments[] = {shell, option, end, (char *)(uintptr_t)command, NULL};
	pid_t child;
	int status = 0, error = posix_spawn(&child, "/bin/sh", NULL, NULL, arguments, environ);
	if (error != 0) {
		errno = error;
		return luaL_execresult(L, -1);
	}
	while (waitpid(child, &status, 0) < 0) {
		if (errno != EINTR)
			return luaL_execresult(L, -1);
	}
	return luaL_execresult(L, status);
}

/* exit([code [, close]]): the stock one, its upvalue, after what an end owes: what was logged is written, hooks that do
 * not run are told of. */
int reef_lua_execute_exit(lua_State *L) {
	lua_settop(L, 2);
	bool well = lua_isnoneornil(L, 1) || (lua_isboolean(L, 1) ? lua_toboolean(L, 1) : luaL_checkinteger(L, 1) == 0);
	if (reef_end_at_once(reef_host_get(L)->handle) && well) {
		lua_pushinteger(L, REEF_EXIT_CUT);
		lua_replace(L, 1);
	}
	return lua_tocfunction(L, lua_upvalueindex(1))(L);
}
