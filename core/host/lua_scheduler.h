/* The Lua module `reef.scheduler`, and how a histogram looks in Lua. */
#ifndef REEF_LUA_SCHEDULER_H
#define REEF_LUA_SCHEDULER_H

#include <stddef.h>

struct lua_State;
struct reef_histogram;

int reef_open_scheduler(struct lua_State *L);

/* Sets in the table on top: `bounds` (seconds, ascending), `counts` (how many values of all these histograms, which count
 * nanoseconds, are not above each bound and above the one before; a last one of those above all) and `sum` (seconds). */
void reef_lua_set_histogram(struct lua_State *L, const struct reef_histogram *const *histograms, size_t n);

#endif
