/* OP_MSG from Lua values and back, for whoever carries the bytes: connections (connection.h) and callers of a pool
 * (drivers/pool/mongo.c). Own slice only. */
#ifndef REEF_MONGO_MESSAGE_H
#define REEF_MONGO_MESSAGE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "drivers/bson/writer.h"
#include "wire.h"

/* A number for a request: 1 .. 2^31 - 1, again from 1 behind that; unique in the process among the last two billion. */
int32_t reef_mongo_message_next_id(void);

/* Writes a message, behind `room` bytes that are left free, into memory that the services of a worker thread share: valid
 * until the next call on this thread. Its contents come from the arguments at `index` and behind: identifier, documents,
 * body (one document, a list of keys and values in turn, or such without the list). Raises when a value cannot be sent.
 * Whoever takes `data` out, which is worth it when the capacity is above REEF_MONGO_KEEP, initialises the writer again. */
struct reef_writer *reef_mongo_message_write(lua_State *L, size_t room, int index, int32_t id, uint32_t flags);
#define REEF_MONGO_KEEP (64 * 1024)
/* Once in the process, before any message. */
void reef_mongo_message_setup(void);

/* "" or some of "x" exact values, "b" batches as objects, "e" exhaust allowed: flags of the message, and of the decoder. */
uint32_t reef_mongo_message_read_flags(const char *flags, unsigned *decode);

/* The string at `index`, which outlives every request: the table at upvalue 1 keeps it. */
const char *reef_mongo_message_lasting(lua_State *L, int index);

/* The reply's table on top of L; documents of sequences are in it under their identifiers. False: it is malformed, and
 * there is a text on top of L. */
bool reef_mongo_message_push_reply(lua_State *L, struct reef_wire_message *m, unsigned decode);

#endif
