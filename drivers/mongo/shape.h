/* Is a document what the protocol says it is? Own slice only.
 *
 * `shape(fields) -> check`; `check(document) -> nil | why` looks at each field of the document that the shape knows, and
 * puts its value in the form in which it is used. `fields` says for a name what its value is to be:
 *
 *   { kind = KIND, needed = boolean, null = boolean, told = boolean }
 *
 * needed: has to be there. null: may be null then, which is nothing. told: only good to know, so it is taken out when it
 * is of another kind; otherwise the document is wrong. Null is nothing everywhere. KIND is one of
 *
 *   "number" "integer" "count"   however it was sent; the last two come out as Lua's integers, a count is not negative
 *   "text" "boolean" "timestamp" "objectid" "binary" "date" "document" "list"
 *   "batch"                      documents, in a list or as an object (batch.h)
 *   a check                      a document of that shape
 *   a function                   what it answers for the value, nil if the value is wrong
 *   { KIND }                     a list of such
 */
#ifndef REEF_MONGO_SHAPE_H
#define REEF_MONGO_SHAPE_H

#include <lua.h>

/* The function `shape`, for Lua. */
int reef_mongo_shape_new(lua_State *L);

#endif
