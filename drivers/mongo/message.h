/* OP_MSG from Lua values and back, for whoever carries the bytes: connections (connection.h) and callers of a pool
 * (drivers/pool/mongo.c). Own slice only. */
#ifndef REEF_MONGO_MESSAGE_H
#define REEF_MONGO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "wire.h"
#include "writer.h"

/* The header and flags of a message, filled in by reef_wire_put_header. */
#define REEF_MONGO_HEADER (REEF_WIRE_HEADER + 4)

/* A number for a request: 1 .. 2^31 - 1, again from 1 behind that; unique in the process among the last two billion. */
int32_t reef_mongo_next_id(void);

/* Appends what is behind the header, from the arguments at `index` and behind: identifier, documents, body (one document,
 * a list of keys and values in turn, or such without the list). Raises, with anything in the writer, when a value cannot
 * be sent. */
void reef_mongo_write_sections(lua_State *L, struct reef_writer *w, int index);

/* "" or some of "x" exact values, "b" batches as objects, "e" exhaust allowed: flags of the message, and of the decoder. */
uint32_t reef_mongo_read_flags(const char *flags, unsigned *decode);

/* The string at `index`, which outlives every request: the table at upvalue 1 keeps it. */
const char *reef_mongo_lasting(lua_State *L, int index);

/* The reply's table on top of L; documents of sequences are in it under their identifiers. False: it is malformed, and
 * there is a text on top of L. */
bool reef_mongo_push_reply(lua_State *L, struct reef_wire_message *m, unsigned decode);

#endif
