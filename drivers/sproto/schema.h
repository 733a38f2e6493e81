/* Schemas of sproto: types and protocols, read from a bundle of bytes (which is a sproto message itself).
 *
 * A schema is one block of memory that is never changed after it was made; any thread may read it. References are
 * counted: whoever keeps one refers to it. */
#ifndef REEF_SPROTO_SCHEMA_H
#define REEF_SPROTO_SCHEMA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define REEF_SPROTO_MAX_DEPTH 64

enum reef_sproto_kind {
	REEF_SPROTO_INTEGER,
	REEF_SPROTO_BOOLEAN,
	REEF_SPROTO_STRING,
	REEF_SPROTO_DOUBLE,
	REEF_SPROTO_STRUCT
};

struct reef_sproto_field {
	const char *name;
	uint32_t name_size;
	uint32_t index; /* among all fields of the schema, from 1 */
	uint16_t tag;
	uint8_t kind;
	bool array;
	bool binary;
	bool map;      /* a plain map: the struct's first field is the key, its second one the value */
	int32_t key;   /* an array of structs that is a map by its field of this tag; -1: it is none */
	uint32_t type; /* of a struct: index of the type */
	double scale;  /* of an integer with n decimals: 10^n; 0: none */
};

struct reef_sproto_type {
	const char *name;
	const struct reef_sproto_field *fields; /* by ascending tag */
	uint32_t count;
	uint32_t most_words; /* that its header can take, skips included */
};

struct reef_sproto_protocol {
	const char *name;
	uint32_t tag;
	int32_t request, response; /* types, -1: none */
	bool confirm;              /* answered without a body */
};

struct reef_sproto {
	const struct reef_sproto_type *types;
	const struct reef_sproto_protocol *protocols; /* by ascending tag */
	uint32_t type_count, protocol_count, field_count;
	int references;
};

/* A schema with one reference. NULL after an error: `why`, of `size` bytes, says what is wrong with the bundle. */
struct reef_sproto *reef_sproto_new(const char *bundle, size_t n, char *why, size_t size);
void reef_sproto_ref(struct reef_sproto *schema);
/* The last one frees it. */
void reef_sproto_unref(struct reef_sproto *schema);

/* Index of a type, -1: there is none. */
int reef_sproto_find_type(const struct reef_sproto *schema, const char *name);
/* NULL: there is none. */
const struct reef_sproto_protocol *reef_sproto_find_protocol(const struct reef_sproto *schema, const char *name);
const struct reef_sproto_protocol *reef_sproto_protocol_of(const struct reef_sproto *schema, uint32_t tag);
/* The field of that tag, NULL: there is none. */
const struct reef_sproto_field *reef_sproto_field_of(const struct reef_sproto_type *type, int tag);

#endif
