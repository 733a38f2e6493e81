/* Lua tables to sproto messages. In the VM's own slice. */
#ifndef REEF_SPROTO_ENCODE_H
#define REEF_SPROTO_ENCODE_H

#include <lua.h>

#include "schema.h"

/* A buffer that grows, in a userdata: what raises leaves it to the collector. */
struct reef_sproto_buffer {
	char *bytes;
	size_t size, capacity;
	bool taken; /* a message is being put together in it */
};

/* Pushes an empty buffer. */
struct reef_sproto_buffer *reef_sproto_buffer_push(lua_State *L);

/* Gives the memory of a buffer back. */
void reef_sproto_buffer_clear(struct reef_sproto_buffer *buffer);

/* Appends the table at `table` to the buffer. `names` is the index of the array of the fields' names. Raises what does not
 * fit, with the field's path. */
void reef_sproto_encode(lua_State *L, const struct reef_sproto *schema, int type, int table, int names,
						struct reef_sproto_buffer *buffer);

#endif
