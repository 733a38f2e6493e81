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
#include "sharetable/overlay/each.h"

/* All of these raise a Lua error when there is no memory. */
void reef_redis_put_count(lua_State *L, struct reef_output *output, size_t count);
void reef_redis_put_bulk(lua_State *L, struct reef_output *output, const char *data, size_t size);
/* Writes the head of a command with `count` arguments: the last `size` bytes are its name as a bulk string; in front of
 * them are REEF_REDIS_COUNT bytes `*0\r\n`. */
#define REEF_REDIS_COUNT 4
void reef_redis_put_head(lua_State *L, struct reef_output *output, const char *head, size_t size, size_t count);

/* Writes the stack's values first..last; raises for what cannot be sent, naming `command` and the place. False: some had
 * to become text first, which they are now, and the command has to be begun again. */
bool reef_redis_put_stack(lua_State *L, struct reef_output *output, int first, int last, const char *command);

/* Turns tables among those values into text, when it is known that all can be sent; raises as above. */
void reef_redis_make_text(lua_State *L, int first, int last, const char *command);

/* Arguments in a table. Good for as long as no other code runs. */
struct reef_redis_list {
	struct reef_each items;
	int index, count; /* of the table on the stack; its field `n`, or its length */
	bool plain;       /* `items` goes through it */
	bool runs;        /* code of the user's may run when something is asked of it */
};
void reef_redis_list_begin(lua_State *L, struct reef_redis_list *list, int index);
/* Writes the items 1..count; raises as reef_redis_put_stack. False: some have to become text first; a copy of the list
 * with those as text is on top of the stack now, and the command has to be begun again with that. */
bool reef_redis_put_list(lua_State *L, struct reef_output *output, struct reef_redis_list *list, const char *command);

#endif
