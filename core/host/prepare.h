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

/* What the VM may allocate from now on before its first collection. */
void reef_prepare_allowance(lua_State *L);

/* A VM that is a copy of one whose main function has run is in the generational mode from the beginning, since all in it
 * is old. Whoever has to do with its collector before its start function has returned finds it as it is in others. */
void reef_prepare_no_generations(lua_State *L);
/* The start function has returned: what loading has left is collected, once, by going over to the generational mode; a
 * small service that waits afterwards holds nothing that it does not need. */
void reef_prepare_settle(lua_State *L);

#endif
