/* A VM up to the point where its service's own code begins. Own slice only. */
#ifndef REEF_PREPARE_H
#define REEF_PREPARE_H

#include <lua.h>

struct reef_host;

/* What lies on the stack of a VM that is prepared. */
enum {
	REEF_PREPARED_TRACEBACK = 1, /* for lua_pcall */
	REEF_PREPARED_MAIN = 2,      /* the service's main function, or nil where a loader of others has run it */
	REEF_PREPARED_PASSED = 3,    /* the files that it was looked for in before, separated by zero bytes */
};

/* Makes the host's VM, opens its libraries and runs the loader of services with these arguments, which begin with the
 * service's name. Returns LUA_OK, or a status with the reason on top of the stack; host->L is NULL when there was no
 * memory for a VM. */
int reef_prepare(struct reef_host *host, lua_Alloc allocator, void *ud, const char *arguments);

/* Runs the main function of a VM that is prepared. Returns LUA_OK, or a status with the reason on top of the stack. */
int reef_prepare_begin(lua_State *L, const char *arguments);

#endif
