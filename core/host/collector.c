/* See collector.h. */
#include "collector.h"

#include "host_private.h"

#include "lgc.h"
#include "lstate.h"

#define BOOT_ALLOWANCE (48 * 1024) /* bytes that loading may allocate before the first collection */
#define STARTS_GARBAGE (4 * 1024)  /* bytes that are not worth a collection */

void reef_collector_allowance(lua_State *L) {
	luaE_setdebt(G(L), -BOOT_ALLOWANCE);
	if (reef_host_hooks()->opened)
		reef_host_hooks()->opened(L);
}

void reef_collector_as_usual(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	if (!host->fresh)
		return;
	host->fresh = false;
	lua_gc(L, LUA_GCINC, 0, 0, 0);
	reef_collector_allowance(L);
}

/* What its start function has left is so little that it waits for the first collection. */
static void settle_copy(lua_State *L) {
	global_State *g = G(L);
	size_t bytes = gettotalbytes(g);
	if (bytes > g->GCestimate + STARTS_GARBAGE)
		lua_gc(L, LUA_GCSTEP, 0);
	else
		luaE_setdebt(g, -(l_mem)(bytes / 100 * g->genminormul));
}

void reef_collector_settle(lua_State *L) {
	struct reef_host *host = reef_host_get(L);
	if (!host->fresh) {
		lua_gc(L, LUA_GCGEN, 0, 0);
		return;
	}
	host->fresh = false;
	settle_copy(L);
}
