/* os.execute and os.exit. The C library's system(3) makes the whole process ignore SIGINT while the command runs, so that
 * a server whose service sits in a command could not be ended by it. Any thread. */
#include "lua_execute.h"

#include <errno.h>
#include <spawn.h>
#include <stdlib.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/end.h"
#include "core/sim.h"
#include "host_private.h"
#include "name_check.h"

/* execute([command]) -> as the stock one */
int reef_lua_execute(lua_State *L) {
	const char *command = reef_opt_name(L, 1, NULL);
	if (reef_sim_on)
		reef_sim_refuse("a process of the system (os.execute)");
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

/* exit([code [, close]]), after what an end owes: what was logged is written, hooks that do not run are told of. A VM may
 * hold shared data, so it is closed as the service's end would close it. */
int reef_lua_execute_exit(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	int status = EXIT_SUCCESS;
	if (lua_isboolean(L, 1))
		status = lua_toboolean(L, 1) ? EXIT_SUCCESS : EXIT_FAILURE;
	else
		status = (int)luaL_optinteger(L, 1, EXIT_SUCCESS);
	bool close = lua_toboolean(L, 2);
	if (reef_sim_on)
		reef_sim_end(status == EXIT_SUCCESS ? REEF_SIM_PASSED : REEF_SIM_FAILED, "os.exit was called");
	if (reef_end_at_once(host->handle) && status == EXIT_SUCCESS)
		status = REEF_EXIT_CUT;
	if (close)
		reef_host_close_state(host->L);
	exit(status);
}
