/* Pictures of tables: bytes that say what tables hold and lead to, and in which order `pairs` goes over them, so that tables can be
 * made of them that are the same to a reader. Records of services have them in the place of what services share.
 *
 * A picture is a sequence of tables, each with an id: its address, or its number among those of the picture. Entries of the
 * hash part come in an order that puts each of them at its place again, when they are set one after the other in a table of
 * that size. Reading never leaves the bytes, whatever they are. One thread at a time; nothing of the tables is kept. */
#ifndef REEF_SHARETABLE_PICTURE_H
#define REEF_SHARETABLE_PICTURE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "core/array.h"
#include "core/ptrmap.h"
#include "core/text.h"
#include "sharetable/overlay/ov.h"

/* ---- writing ---- */

struct reef_picture {
	struct reef_text text;
	const char *cannot; /* what was met that no picture can show; NULL: nothing */
	bool failed;        /* memory was out */
	bool compared;      /* set it if the picture is only to be compared: all pointers are alike */
	/* Inside. */
	lua_State *L;
	bool addresses;
	struct reef_ptrmap ids;
	struct REEF_ARRAY(const Table *) tables;
	struct REEF_ARRAY(int) order;
};

/* `addresses`: ids are these. */
void reef_picture_begin(struct reef_picture *picture, lua_State *L, bool addresses);
/* Adds a table and all that it leads to, unless it is there. */
void reef_picture_add(struct reef_picture *picture, const Table *root);
/* Adds one table by its address, with that content, and nothing of what it leads to. */
void reef_picture_add_content(struct reef_picture *picture, const Table *table, const Table *content);
void reef_picture_end(struct reef_picture *picture);

/* Numbers and bytes of others who add to a picture's text. */
void reef_picture_put_number(struct reef_text *to, uint64_t n);
void reef_picture_put_bytes(struct reef_text *to, const char *bytes, size_t size);

/* ---- reading ---- */

struct reef_picture_reader {
	const char *at, *end;
};

bool reef_picture_get_number(struct reef_picture_reader *from, uint64_t *n);
bool reef_picture_get_bytes(struct reef_picture_reader *from, const char **bytes, size_t *size);

struct reef_pictured {
	uint64_t id, metatable; /* 0: none */
	uint32_t array, hash;   /* values, then pairs, follow */
};

enum reef_pictured_type {
	REEF_PICTURED_FALSE,
	REEF_PICTURED_TRUE,
	REEF_PICTURED_INTEGER,
	REEF_PICTURED_FLOAT,
	REEF_PICTURED_STRING,
	REEF_PICTURED_POINTER,
	REEF_PICTURED_TABLE, /* its id */
	REEF_PICTURED_TYPES,
};

struct reef_pictured_value {
	enum reef_pictured_type type;
	uint64_t number;
	double real;
	const char *bytes;
	size_t size;
};

/* The next table. False: there is none, or it is cut. */
bool reef_picture_get_table(struct reef_picture_reader *from, struct reef_pictured *table);
bool reef_picture_get_value(struct reef_picture_reader *from, struct reef_pictured_value *value);
/* Passes over a table's values. False: they are cut. */
bool reef_picture_skip(struct reef_picture_reader *from, const struct reef_pictured *table);

/* Pushes a value that is no table. May raise. */
void reef_picture_push_value(lua_State *L, const struct reef_pictured_value *value);
/* Pushes the first table of a picture, made of plain ones. False: it is none; nothing is pushed. May raise. */
bool reef_picture_push(lua_State *L, const char *bytes, size_t size);

#endif
