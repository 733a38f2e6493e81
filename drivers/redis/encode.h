/* Commands as bytes: RESP arrays of bulk strings (https://redis.io/docs/reference/protocol-spec, "Sending commands").
 *
 * What is written goes behind what the output holds already, and counts only once it is committed: an error on the way
 * (a nil argument, no memory) leaves nothing behind. Arguments are strings, numbers and booleans; tables that have a
 * __tostring become text before the first byte is written, since that may be code that sends commands itself. All else
 * is refused, since its text would be an address. Own slice only.
 */
#ifndef REEF_REDIS_ENCODE_H
#define REEF_REDIS_ENCODE_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "drivers/channel/output.h"

/* All of these raise a Lua error when there is no memory. */
void reef_redis_put_count(lua_State *L, struct reef_output *output, size_t count);
void reef_redis_put_bulk(lua_State *L, struct reef_output *output, const char *data, size_t size);
void reef_redis_put_bytes(lua_State *L, struct reef_output *output, const char *bytes, size_t size);

/* Turns tables among the stack's first..last into text; raises for what cannot be sent, naming `command` and the
 * place. */
void reef_redis_check_stack(lua_State *L, int first, int last, const char *command);
/* Writes those values, which were checked. */
void reef_redis_put_stack(lua_State *L, struct reef_output *output, int first, int last);

/* How many items the list at `index` has: its field `n`, or its length. */
int reef_redis_list_length(lua_State *L, int index);
/* Writes the items 1..n of the table at `index`; raises as reef_redis_check_stack. False: some have to become text
 * first; a copy of the list with those as text is on top of the stack now, and the command has to be begun again. */
bool reef_redis_put_list(lua_State *L, struct reef_output *output, int index, int n, const char *command);

#endif
