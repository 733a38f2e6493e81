/* Start-up of the room. */
#ifndef REEF_SHARETABLE_SETUP_H
#define REEF_SHARETABLE_SETUP_H

#include <lua.h>

/* Registers the room's Lua modules and its hooks in the Lua host, and fills the pool with the names of the libraries. */
void reef_sharetable_setup(void);
/* The last part alone. Before the first VM. */
void reef_share_library_names(void);

/* The Lua module reef.sharetable. */
int reef_sharetable_open(lua_State *L);
/* The Lua module reef.box. */
int reef_box_open(lua_State *L);
/* The Lua module skynet.stm. */
int reef_stm_open(lua_State *L);
/* After an update that could not let go of an old version: tries again after each of the VM's collections. */
void reef_sharetable_retry(lua_State *L);

#endif
