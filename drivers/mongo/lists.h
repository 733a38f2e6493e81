/* Lists on their way into commands: documents that get ids and are encoded, and the keys and values of a command. The VM's
 * thread only. What the functions do for Lua: see lua_mongo.c.
 */
#ifndef REEF_MONGO_LISTS_H
#define REEF_MONGO_LISTS_H

#include <lua.h>

/* Adds them to the module on top of the stack. */
void reef_mongo_lists_register(lua_State *L);

#endif
