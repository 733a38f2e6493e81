/* What went wrong below a protocol, on its way to the error object that Lua makes of it. Own slice only. */
#ifndef REEF_FAILURE_H
#define REEF_FAILURE_H

#include <stdint.h>

#include <lua.h>

struct reef_failure {
	const char *code, *outcome, *command, *why;
	double waited; /* seconds */
	uint64_t in_flight, unsent, queued;
	uint32_t pin; /* number of the pool's connection that the task has for itself; 0: none */
};

/* Pushes on `to` what function(code, outcome, command, waited, why, in_flight, unsent, queued, pin) at the registry reference
 * `function` makes of it; `build` is where that is called. */
void reef_failure_push(lua_State *build, int function, lua_State *to, const struct reef_failure *what);

#endif
