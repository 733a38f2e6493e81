/* See long_string.h. Long strings are not interned and hashed when first needed as a key, so their bytes may come late.
 * Lua's API can only copy; the constructor that it uses itself does not. */
#include "long_string.h"

#include <lgc.h>
#include <lobject.h>
#include <lstate.h>
#include <lstring.h>

#if LUA_VERSION_RELEASE_NUM >= 50405
#define TOP(L) ((L)->top.p)
#else
#define TOP(L) ((L)->top)
#endif

char *reef_push_long_string(lua_State *L, size_t size) {
	TString *string = luaS_createlngstrobj(L, size);
	setsvalue2s(L, TOP(L), string);
	TOP(L)++;
	luaC_checkGC(L);
	return (char *)(size_t)lua_tostring(L, -1);
}
