/* Fields of HTTP messages as Lua tables, and packed: a server's handler may never ask for them. */
#ifndef REEF_HTTP_LUA_FIELDS_H
#define REEF_HTTP_LUA_FIELDS_H

#include <lua.h>
#include <stdint.h>

#include "drivers/http/parser.h"

/* Pushes the table of the fields `from` to `to` - 1: names in lower case; the values of one that occurs repeatedly are an
 * array. */
void reef_lua_fields_push(lua_State *L, const struct reef_http_parser *p, uint32_t from, uint32_t to);

/* Pushes the fields of the head as a string. */
void reef_lua_fields_pack(lua_State *L, const struct reef_http_parser *p);

/* (packed) -> table. Raises if the string is something else. */
int reef_lua_fields_unpack(lua_State *L);

#endif
