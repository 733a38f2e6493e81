/* See tag.h. */
#include "tag.h"

#include <string.h>

#include <lauxlib.h>

#include "format.h"
#include "writer.h"

void reef_bson_tag_push(lua_State *L, uint8_t type, const void *payload, size_t size) {
	char small[32];
	if (size <= sizeof(small) - 2) {
		small[0] = 0;
		small[1] = (char)type;
		if (size > 0) {
			memcpy(small + 2, payload, size);
		}
		lua_pushlstring(L, small, size + 2);
		return;
	}
	luaL_Buffer b;
	char *p = luaL_buffinitsize(L, &b, size + 2);
	p[0] = 0;
	p[1] = (char)type;
	memcpy(p + 2, payload, size);
	luaL_pushresultsize(&b, size + 2);
}

void reef_bson_tag_push_date(lua_State *L, int64_t ms) {
	uint8_t p[8];
	if (ms % 1000 == 0 && ms / 1000 >= INT32_MIN && ms / 1000 <= INT32_MAX) {
		reef_put32(p, (uint32_t)(ms / 1000));
		reef_bson_tag_push(L, REEF_BSON_DATE, p, 4);
	} else {
		reef_put64(p, (uint64_t)ms);
		reef_bson_tag_push(L, REEF_BSON_DATE, p, 8);
	}
}
