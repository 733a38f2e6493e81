/* The documents of a cursor's reply, decoded when they are asked for: a userdatum with a copy of their bytes.
 *
 *   batch:more() -> boolean                    is there another document?
 *   batch:next([owner]) -> document | nil      nil at the end; raises what owner:fail(why) raises when it cannot be read
 *   batch:all() -> list                        all of them, also those that `next` has given
 *
 * What is decoded right before it is used is in the processor's cache then, and is garbage before it has grown old. Own
 * slice only.
 */
#ifndef REEF_MONGO_BATCH_H
#define REEF_MONGO_BATCH_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

/* Is the array under this key, in the document `cursor` of a reply, a batch? */
bool reef_mongo_is_batch(const char *key);
/* Pushes the object for a BSON array of documents, whose length was checked. */
void reef_mongo_push_batch(lua_State *L, const uint8_t *data, size_t size, unsigned flags);

#endif
