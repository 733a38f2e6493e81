/* os.execute. The C library's system(3) makes the whole process ignore SIGINT while the command runs, so that a server
 * whose service sits in a command could not be ended by it. Any thread. */
#include "lua_execute.h"

#include <errno.h>
#include <spawn.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>

/* execute([command]) -> as the stock one */
int reef_lua_execute(lua_State *L) {
	const char *command = luaL_optstring(L, 1, NULL);
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
