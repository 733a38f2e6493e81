/* Whatever text is taken for a table of constants, Lua makes the same table of it, in the same order where that is
 * promised. */
#include <assert.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "same.h"
#include "sharetable/literal.h"

/* The order of so many pairs is promised. */
#define ORDERED 64

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size) {
	static lua_State *L;
	static unsigned runs;
	if (L == NULL || ++runs % 10000 == 0) {
		if (L)
			lua_close(L);
		L = luaL_newstate();
	}
	char *text = malloc(size + 1);
	memcpy(text, data, size);
	text[size] = '\0';
	if (reef_literal_push(L, text, size)) {
		assert(lua_gettop(L) == 1);
		int status = luaL_loadbufferx(L, text, size, "=text", "t");
		assert(status == LUA_OK);
		lua_call(L, 0, 1);
		assert(same(L, 1, 2, ORDERED));
	}
	lua_settop(L, 0);
	free(text);
	return 0;
}
