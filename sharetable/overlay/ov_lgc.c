/* lgc.c, whose two ways in are seen from outside (collector.h). */
#include "ov.h"

#include "collector.h"

#define luaC_step collector_step
#define luaC_fullgc collector_full
#include "lgc.c"
#undef luaC_step
#undef luaC_fullgc

struct reef_collector_watch reef_collector_watch;

LUAI_FUNC void luaC_step(lua_State *L);
LUAI_FUNC void luaC_fullgc(lua_State *L, int isemergency);

static uint64_t begin(void) {
	return reef_collector_watch.begins ? reef_collector_watch.begins() : 0;
}

static void end(uint64_t since) {
	if (reef_collector_watch.ended)
		reef_collector_watch.ended(since);
}

void luaC_step(lua_State *L) {
	uint64_t since = begin();
	collector_step(L);
	end(since);
}

void luaC_fullgc(lua_State *L, int isemergency) {
	uint64_t since = begin();
	collector_full(L, isemergency);
	end(since);
}
