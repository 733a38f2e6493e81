/* Tagged strings: the values that Lua has no type for. The VM's thread only.
 *
 * Each is a string: NUL, the BSON type, and the payload as the format has it, except that
 *   binary     subtype, bytes
 *   date       4 bytes of seconds, or 8 of milliseconds where seconds do not tell all
 *   string     the bytes (only needed for strings that begin with NUL themselves)
 * Equal values are equal strings; they may be keys of tables.
 */
#ifndef REEF_BSON_TAG_H
#define REEF_BSON_TAG_H

#include <stddef.h>
#include <stdint.h>

#include <lua.h>

void reef_bson_tag_push(lua_State *L, uint8_t type, const void *payload, size_t size);
/* A date, from its milliseconds since 1970. */
void reef_bson_tag_push_date(lua_State *L, int64_t ms);

#endif
