/* `bson` objects: an encoded document in a userdatum.
 *
 * The bytes of an object are a valid document from its making on; the only change it allows, to a top-level field of
 * fixed size, keeps that (lua_object.c). The VM's thread only.
 */
#ifndef REEF_BSON_OBJECT_H
#define REEF_BSON_OBJECT_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#define REEF_BSON_OBJECT "bson" /* name of the metatable */

void reef_bson_object_push(lua_State *L, const uint8_t *data, size_t size);
/* The bytes of the object at `index`; NULL if it is none. */
const uint8_t *reef_bson_object_to(lua_State *L, int index, size_t *size);

#endif
