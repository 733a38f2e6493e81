/* The documents of a cursor's reply, decoded when they are asked for: a userdatum with a copy of their bytes.
 *
 *   batch:more() -> boolean                    is there another document?
 *   batch:next([owner]) -> document | nil      nil at the end; raises what owner:fail(why) raises when it cannot be read
 *   batch:all() -> list                        all of them, also those that `next` has given; none when it has given the last
 *
 * What is decoded right before it is used is in the processor's cache then, and is garbage before it has grown old. Own
 * slice only.
 */
#ifndef REEF_MONGO_BATCH_H
#define REEF_MONGO_BATCH_H

#include <stdbool.h>

#include <lua.h>

#include "drivers/bson/reader.h"

/* For reef_bson_decode_set_batch: pushes the object for a cursor's batch. */
bool reef_mongo_batch_take(lua_State *L, const char *parent, const struct reef_bson_element *array, unsigned flags);

/* Pushes the function that batch:next is. */
void reef_mongo_batch_push_next(lua_State *L);

#endif
