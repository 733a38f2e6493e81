/* See value.h. */
#include "value.h"

#define SAFE_DIGITS 18 /* decimal digits that are below 2^63 whatever they are */

bool reef_sql_push_short_integer(lua_State *L, const char *text, size_t size) {
	size_t i = size > 0 && text[0] == '-';
	if (size == i || size - i > SAFE_DIGITS)
		return false;
	lua_Integer n = 0;
	for (size_t k = i; k < size; k++) {
		unsigned digit = (unsigned char)text[k] - (unsigned)'0';
		if (digit > 9)
			return false;
		n = n * 10 + (lua_Integer)digit;
	}
	lua_pushinteger(L, i ? -n : n);
	return true;
}

bool reef_sql_push_number(lua_State *L, const char *text, size_t size) {
	size_t read = lua_stringtonumber(L, text);
	if (read == size + 1)
		return true;
	if (read != 0)
		lua_pop(L, 1);
	return false;
}
