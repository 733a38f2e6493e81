/* Commands as bytes: RESP arrays of bulk strings (https://redis.io/docs/reference/protocol-spec, "Sending commands").
 *
 * Two passes over the arguments. The first looks at each, turns the exotic ones (tables or userdata with __tostring)
 * into strings, refuses nil and counts bytes; everything that can fail fails there, before a byte is written. The second
 * writes into memory that the caller has reserved and cannot fail. Nothing is kept. Own slice only.
 */
#ifndef REEF_REDIS_ENCODE_H
#define REEF_REDIS_ENCODE_H

#include <stddef.h>

#include <lua.h>

/* Where the arguments of a command are: values of the stack, or the items of a table. */
struct reef_redis_args {
	int table; /* absolute stack index of the table that holds them; 0: they are on the stack */
	int first; /* stack index or key of the first */
	int count;
	size_t room; /* upper bound of the bytes that reef_redis_encode_args writes */
};

/* First pass over stack values first..last. Raises a Lua error that names `command` and the place of a nil argument;
 * `offset` is added to that place. May replace values on the stack by their text. */
void reef_redis_check_stack(lua_State *L, struct reef_redis_args *args, int first, int last, const char *command);
/* The same for the items first..n of the table at `table`, n being its field `n` or its length. When an item has to be
 * turned into text, a copy of the table takes its place on the stack; the user's stays as it is. */
void reef_redis_check_table(lua_State *L, struct reef_redis_args *args, int table, int first, const char *command);

/* Bytes that reef_redis_encode_count can need. */
#define REEF_REDIS_COUNT_ROOM 24
/* Writes `*count\r\n`, returns the end. */
char *reef_redis_encode_count(char *p, size_t count);
/* Writes one bulk string, returns the end. Needs size + REEF_REDIS_BULK_ROOM bytes. */
#define REEF_REDIS_BULK_ROOM 28
char *reef_redis_encode_bulk(char *p, const char *data, size_t size);
/* Second pass: writes the arguments as bulk strings, returns the end. */
char *reef_redis_encode_args(lua_State *L, const struct reef_redis_args *args, char *p);

#endif
