/* JSON for `reef.config.core`: see load.h for what places and problems are. Own slice only. */
#ifndef REEF_DATASHEET_LOAD_JSON_H
#define REEF_DATASHEET_LOAD_JSON_H

#include <lua.h>

/* json(text) -> value or nil, problems or nil */
int reef_load_json(lua_State *L);
/* The same by jansson alone. */
int reef_load_json_careful(lua_State *L);
/* json_places(text, tree) -> places; the text is one that was parsed before */
int reef_load_json_places(lua_State *L);

#endif
