/* The functions of reef.datasheet.core for a service that is recorded or replayed (core/seam.h; journal.h, replayed.h). Each gets
 * the real one, which it calls where there is an outside. Own slice only. */
#ifndef REEF_DATASHEET_LUA_RECORDED_H
#define REEF_DATASHEET_LUA_RECORDED_H

#include <lua.h>

struct reef_seam;

int reef_recorded_sheet(lua_State *L, struct reef_seam *seam, const char *name);
/* `how` and the tables are its arguments; in a replay `stand_in` pushes what stands for a plan. */
int reef_recorded_plan(lua_State *L, struct reef_seam *seam, const char *how, lua_CFunction plan,
					   void (*stand_in)(lua_State *L));
int reef_recorded_commit(lua_State *L, struct reef_seam *seam, lua_CFunction commit);

#endif
