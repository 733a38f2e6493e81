/* BSON bytes to Lua tables. The VM's thread only; raises. */
#ifndef REEF_BSON_DECODE_H
#define REEF_BSON_DECODE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "reader.h"

enum reef_bson_flags {
	REEF_BSON_EXACT = 1,   /* keep what Lua would lose: key order, int64s that fit an int32; refuse duplicate keys */
	REEF_BSON_BATCHES = 2, /* of a cursor's reply: its batch is for reef_bson_decode_set_batch */
};

/* Pushes the table for the document. Raises with the path of what cannot be read. */
void reef_bson_decode(lua_State *L, const uint8_t *data, size_t size, unsigned flags);
/* The same, but what cannot be read is told to owner:fail(text), which raises; the owner is the object at `owner`, 0: none.
 * For one of many that may be alike, with the set of models (models.h) at `models`; 0: none. */
void reef_bson_decode_alike(lua_State *L, const uint8_t *data, size_t size, unsigned flags, int owner, int models);

/* Who takes the batches of cursors, with REEF_BSON_BATCHES: called for an array in a document in the outermost one, with
 * the key of that document and the array. True: it has pushed what stands for the array; `flags` are for decoding what is
 * in it. Start-up only. */
void reef_bson_decode_set_batch(bool (*take)(lua_State *L, const char *parent, const struct reef_bson_element *array,
											 unsigned flags));

#endif
