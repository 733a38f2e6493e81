/* Lua values as bytes, for records: nil, booleans, numbers, strings, and plain tables of those.
 *
 * Messages are packed by core/host/pack.h, which raises for what it cannot pack, and runs __pairs. Neither may be where a
 * call is recorded: an argument that is a file or a function only has to be there, and a call that raises because it is
 * recorded would be no record of it. */
#ifndef REEF_RECORD_VALUES_H
#define REEF_RECORD_VALUES_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "core/text.h"

/* Adds the values from index `first` to the top. False: one is something else, of which only the type is there. */
bool reef_values_add(struct reef_text *to, lua_State *L, int first);
/* Pushes the values; how many, or -1: those are no such bytes. May raise a memory error. */
int reef_values_push(lua_State *L, const char *bytes, size_t size);

#endif
