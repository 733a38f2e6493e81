/* BSON for Lua: what the parts of this room share.
 *
 * Bytes go to Lua values and back in one walk, without an intermediate document. Values that Lua has no type for are
 * strings with a tag in front: a NUL, the BSON type, the payload (value.c lists the payloads). Numbers, booleans,
 * ordinary strings and tables stand for themselves. Format: bsonspec.org, version 1.1.
 *
 * Functions that take a lua_State belong to that VM's thread and may raise; the others are free of state.
 */
#ifndef REEF_MONGO_BSON_H
#define REEF_MONGO_BSON_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "writer.h"

enum reef_bson_type {
	REEF_BSON_END = 0x00,
	REEF_BSON_DOUBLE = 0x01,
	REEF_BSON_STRING = 0x02,
	REEF_BSON_DOCUMENT = 0x03,
	REEF_BSON_ARRAY = 0x04,
	REEF_BSON_BINARY = 0x05,
	REEF_BSON_UNDEFINED = 0x06,
	REEF_BSON_OBJECTID = 0x07,
	REEF_BSON_BOOLEAN = 0x08,
	REEF_BSON_DATE = 0x09,
	REEF_BSON_NULL = 0x0a,
	REEF_BSON_REGEX = 0x0b,
	REEF_BSON_DBPOINTER = 0x0c,
	REEF_BSON_CODE = 0x0d,
	REEF_BSON_SYMBOL = 0x0e,
	REEF_BSON_CODE_SCOPE = 0x0f,
	REEF_BSON_INT32 = 0x10,
	REEF_BSON_TIMESTAMP = 0x11,
	REEF_BSON_INT64 = 0x12,
	REEF_BSON_DECIMAL128 = 0x13,
	REEF_BSON_MAXKEY = 0x7f,
	REEF_BSON_MINKEY = 0xff,
};

/* Documents nested deeper than this are neither written nor read. */
#define REEF_BSON_DEPTH 128
/* No document is larger: lengths are signed 32-bit numbers. */
#define REEF_BSON_SIZE 0x7fffffff
#define REEF_BSON_OID_SIZE 12

/* ---- reading bytes (reader.c) ---- */

/* Strict: no surrogates, no overlong forms; NUL is allowed. */
bool reef_utf8_valid(const char *s, size_t size);

/* One element; everything points into the document. */
struct reef_bson_element {
	const char *key; /* NUL-terminated, valid UTF-8 */
	size_t key_size;
	const uint8_t *value; /* the payload as the format has it, lengths and terminators included */
	size_t value_size;
	uint8_t type;
};

struct reef_bson_reader {
	const uint8_t *at;
	const uint8_t *end; /* the terminating NUL */
	const char *error;  /* after a failure: what is wrong */
	int depth;
};

/* The size of the payload at p, of which `left` bytes are there. False with *error set. */
bool reef_bson_payload(uint8_t type, const uint8_t *p, size_t left, int depth, size_t *size, const char **error);
/* Starts reading a document that must fill `size` bytes exactly; the outermost has depth 1. */
bool reef_bson_open(struct reef_bson_reader *r, const uint8_t *data, size_t size, int depth);
/* 1: an element, its own bytes checked (those of a nested document only in length); 0: the end; -1: bad. */
int reef_bson_next(struct reef_bson_reader *r, struct reef_bson_element *e);
/* The same for who checks the keys himself: they are not known to be UTF-8. */
int reef_bson_next_value(struct reef_bson_reader *r, struct reef_bson_element *e);
#define REEF_BSON_BAD_KEY "invalid UTF-8 in a key"
/* Checks a whole document, nested ones too. NULL, or what is wrong. */
const char *reef_bson_check(const uint8_t *data, size_t size, int depth);

/* ---- Lua values (encode.c, decode.c) ---- */

enum reef_bson_flags {
	REEF_BSON_EXACT = 1,   /* keep what Lua would lose: key order, int64s that fit an int32; refuse duplicate keys */
	REEF_BSON_BATCHES = 2, /* of a cursor's reply: its batch becomes an object, see batch.h */
};

/* What a document is for decides where the order of keys is meaning, so that a plain table of several keys is refused and
 * a list of pairs is a document. Anything: `$sort` and `sortBy`, and `sort`, `hint`, `min`, `max` and the keys of indexes
 * if the document looks like a command or a statement of one. Data: nowhere. */
enum reef_bson_purpose { REEF_BSON_ANYTHING, REEF_BSON_DATA };

/* Appends the table or `bson` object at `index` as a document. Raises with the path of what cannot be written. */
void reef_bson_encode(lua_State *L, int index, struct reef_writer *w, enum reef_bson_purpose purpose);
/* Appends the values first, first + 1 .. last as alternating keys and values of one document. */
void reef_bson_encode_pairs(lua_State *L, int first, int last, struct reef_writer *w);
/* The same from the list at `index`. */
void reef_bson_encode_list(lua_State *L, int index, struct reef_writer *w);
/* Appends an element with the Lua value at `index`. */
void reef_bson_encode_element(lua_State *L, const char *key, size_t key_size, int index, struct reef_writer *w);
/* Pushes the table for the document. Raises with the path of what cannot be read. */
void reef_bson_decode(lua_State *L, const uint8_t *data, size_t size, unsigned flags);
/* The same, but what cannot be read is told to owner:fail(text), which raises; the owner is the object at `owner`, 0: none.
 */
void reef_bson_decode_for(lua_State *L, const uint8_t *data, size_t size, unsigned flags, int owner);

/* The metatable of tables that are arrays even when empty, and of documents that keep their keys in order. */
void reef_bson_push_array_mt(lua_State *L);
void reef_bson_push_document_mt(lua_State *L);
/* An ordered document keeps the list of its keys in itself, under this address as light userdata. */
extern const char reef_bson_order;
/* Makes the two metatables and adds `array` and `document` to the module on top of the stack. */
void reef_bson_register_tables(lua_State *L);

/* ---- `bson` objects: an encoded document in a userdatum (object.c) ---- */

void reef_bson_push_object(lua_State *L, const uint8_t *data, size_t size);
/* The bytes of the object at `index`; NULL if it is none. */
const uint8_t *reef_bson_to_object(lua_State *L, int index, size_t *size);
void reef_bson_register_object(lua_State *L);

/* A writer for the time of one call, pushed on the stack so that an error frees it. */
struct reef_writer *reef_bson_borrow_writer(lua_State *L, size_t limit);
/* Gives the one at `index` back for the next call; not needed for correctness. */
void reef_bson_return_writer(lua_State *L, int index);
/* The writer at `index`; NULL if it is none. */
struct reef_writer *reef_bson_to_writer(lua_State *L, int index);

/* ---- scalar values (value.c, oid.c) ---- */

/* Adds the constructors, `type` and `kind` to the module on top of the stack. */
void reef_bson_register_values(lua_State *L);
void reef_bson_new_oid(uint8_t oid[REEF_BSON_OID_SIZE]);
uint32_t reef_bson_next_increment(void);
/* Flags of regular expressions are kept in alphabetical order. */
void reef_bson_sort_flags(char *flags, size_t size);

/* ---- extended JSON v2 (json_write.c, json_read.c) ---- */

/* Appends text; the document was checked before. False: the writer is full. */
bool reef_bson_to_json(struct reef_writer *w, const uint8_t *data, size_t size, bool canonical);

struct reef_json_error {
	size_t offset; /* byte of the text */
	char text[120];
};
/* Appends the document that the text stands for. */
bool reef_bson_from_json(struct reef_writer *w, const char *text, size_t size, struct reef_json_error *error);

/* require "bson" */
int reef_open_bson(lua_State *L);

#endif
