/* Writers in userdata, so that an error frees them.
 *
 * The writer is one a VM: it is out of its place in the registry while somebody uses it, so a nested call makes another,
 * and after an error the collector takes it. The VM's thread only.
 */
#ifndef REEF_BSON_LUA_WRITER_H
#define REEF_BSON_LUA_WRITER_H

#include <stddef.h>

#include <lua.h>

#include "writer.h"

/* A writer for the time of one call, pushed on the stack. */
struct reef_writer *reef_lua_writer_borrow(lua_State *L, size_t limit);
/* Gives the one at `index` back for the next call; not needed for correctness. */
void reef_lua_writer_return(lua_State *L, int index);
/* The writer at `index`; NULL if it is none. */
struct reef_writer *reef_lua_writer_to(lua_State *L, int index);

/* For who shows one to Lua: the borrowed one at `index` is given back, without its bytes; a writer that has them, and that no call
 * will use for its own, is pushed. */
void reef_lua_writer_hand_out(lua_State *L, int index);
/* What the writer at `index` has is for the next call that needs one. */
void reef_lua_writer_take_back(lua_State *L, int index);

#endif
