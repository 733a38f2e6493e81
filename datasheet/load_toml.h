/* TOML for `reef.config.core`: see load.h for what places and problems are. Own slice only. */
#ifndef REEF_DATASHEET_LOAD_TOML_H
#define REEF_DATASHEET_LOAD_TOML_H

#include <lua.h>

#ifdef __cplusplus
extern "C" {
#endif

/* toml(text) -> value or nil, problems or nil */
int reef_load_toml(lua_State *L);
/* toml_places(text, tree) -> places; the text is one that was parsed before */
int reef_load_toml_places(lua_State *L);

#ifdef __cplusplus
}
#endif

#endif
