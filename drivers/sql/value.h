/* Values that are texts of SQL, as Lua values. */
#ifndef REEF_SQL_VALUE_H
#define REEF_SQL_VALUE_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Pushes a whole number of at most 18 digits, as most are, without a look at what else a number may be. False: it is something
 * else, and nothing is pushed. */
bool reef_sql_push_short_integer(lua_State *L, const char *text, size_t size);
/* Pushes the number that the whole of the text is, which ends with a NUL that does not count. False: it is none, perhaps
 * since a NUL is in it, and nothing is pushed. */
bool reef_sql_push_number(lua_State *L, const char *text, size_t size);

#endif
