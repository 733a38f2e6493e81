/* See object.h. */
#include "object.h"

#include <string.h>

#include <lauxlib.h>

void reef_bson_object_push(lua_State *L, const uint8_t *data, size_t size) {
	memcpy(lua_newuserdatauv(L, size, 1), data, size);
	luaL_setmetatable(L, REEF_BSON_OBJECT);
}

const uint8_t *reef_bson_object_to(lua_State *L, int index, size_t *size) {
	void *data = luaL_testudata(L, index, REEF_BSON_OBJECT);
	*size = data != NULL ? (size_t)lua_rawlen(L, index) : 0;
	return data;
}
