/* What a service that is recorded or replayed (core/seam.h) does with shared tables: its record has a picture of each version
 * that it comes to see, where it comes to see it. In a replay that version is published before the service asks. Its own
 * slice; all may raise. */
#ifndef REEF_SHARETABLE_RECORDED_H
#define REEF_SHARETABLE_RECORDED_H

#include <stdbool.h>

#include <lua.h>

struct reef_seam;

/* As the functions of reef.sharetable, whose arguments are on the stack. */
int reef_recorded_query(lua_State *L, struct reef_seam *seam, const char *name);
void reef_recorded_update(lua_State *L, struct reef_seam *seam, const char *name);
/* The table at the top of the stack is to be frozen. False: there is another service only in the record. */
bool reef_recorded_freeze(lua_State *L, struct reef_seam *seam);

#endif
