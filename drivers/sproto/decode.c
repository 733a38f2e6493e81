/* Decoding. Fields that the schema does not know are passed over; what is cut short or of a wrong size raises. */
#include "decode.h"

#include <lauxlib.h>
#include <string.h>

#include "wire.h"

struct decoder {
	lua_State *L;
	const struct reef_sproto *schema;
	int names;
	int depth;
};

static int bad_bytes(struct decoder *d, const struct reef_sproto_type *type, const struct reef_sproto_field *field) {
	return luaL_error(d->L, "sproto: %s%s%s: the bytes are damaged or of another schema", type->name, field ? "." : "",
					  field ? field->name : "");
}

static size_t decode_struct(struct decoder *d, const struct reef_sproto_type *type, const char *bytes, size_t n);

static void push_integer(struct decoder *d, const struct reef_sproto_field *field, int64_t v) {
	if (field->scale > 0)
		lua_pushnumber(d->L, (lua_Number)v / field->scale);
	else
		lua_pushinteger(d->L, v);
}

static void decode_push_double(struct decoder *d, const char *bytes) {
	uint64_t bits = reef_sproto_read64(bytes);
	lua_Number v;
	memcpy(&v, &bits, sizeof(v));
	lua_pushnumber(d->L, v);
}

static void push_struct(struct decoder *d, const struct reef_sproto_field *field, const char *bytes, size_t n) {
	const struct reef_sproto_type *type = &d->schema->types[field->type];
	/* No more room than the header has words for: an empty struct takes six bytes of a message. */
	uint32_t words = n < 2 ? 0 : reef_sproto_read16(bytes);
	lua_createtable(d->L, 0, (int)(words < type->count ? words : type->count));
	decode_struct(d, type, bytes, n);
}

/* ---- arrays: pushed as a table ---- */

/* Of elements with one width, told by the first byte. */
static void push_numbers(struct decoder *d, const struct reef_sproto_type *type, const struct reef_sproto_field *field,
						 const char *bytes, size_t n) {
	size_t width = n > 0 ? (unsigned char)bytes[0] : 8;
	bool is_double = field->kind == REEF_SPROTO_DOUBLE;
	if ((width != 8 && (width != 4 || is_double)) || (n > 0 && (n - 1) % width != 0))
		bad_bytes(d, type, field);
	size_t count = n > 0 ? (n - 1) / width : 0;
	lua_createtable(d->L, (int)count, 0);
	for (size_t i = 0; i < count; i++) {
		const char *at = bytes + 1 + i * width;
		if (is_double)
			decode_push_double(d, at);
		else
			push_integer(d, field, width == 8 ? (int64_t)reef_sproto_read64(at) : (int32_t)reef_sproto_read32(at));
		lua_rawseti(d->L, -2, (lua_Integer)i + 1);
	}
}

static void push_booleans(struct decoder *d, const char *bytes, size_t n) {
	lua_createtable(d->L, (int)n, 0);
	for (size_t i = 0; i < n; i++) {
		lua_pushboolean(d->L, bytes[i] != 0);
		lua_rawseti(d->L, -2, (lua_Integer)i + 1);
	}
}

/* With the table below and a struct on top: puts it, or its second field, under its key. */
static void set_entry(struct decoder *d, const struct reef_sproto_type *type, const struct reef_sproto_field *field) {
	lua_State *L = d->L;
	const struct reef_sproto_type *of = &d->schema->types[field->type];
	const struct reef_sproto_field *key = field->map ? &of->fields[0] : reef_sproto_field_of(of, field->key);
	lua_rawgeti(L, d->names, key->index);
	if (lua_rawget(L, -2) == LUA_TNIL)
		luaL_error(L, "sproto: %s.%s: an entry has no %s, which is its key", type->name, field->name, key->name);
	if (lua_type(L, -1) == LUA_TNUMBER && lua_tonumber(L, -1) != lua_tonumber(L, -1))
		bad_bytes(d, type, field);
	if (field->map) {
		lua_rawgeti(L, d->names, of->fields[1].index);
		lua_rawget(L, -3);
	} else {
		lua_pushvalue(L, -2);
	}
	lua_rawset(L, -4);
	lua_pop(L, 1);
}

static void push_elements(struct decoder *d, const struct reef_sproto_type *type, const struct reef_sproto_field *field,
						  const char *bytes, size_t n) {
	lua_State *L = d->L;
	const char *at = bytes, *end = bytes + n, *element;
	uint32_t size;
	int more;
	lua_newtable(L);
	for (lua_Integer i = 1; (more = reef_sproto_next_element(&at, end, &element, &size)) == 1; i++) {
		if (field->kind == REEF_SPROTO_STRING)
			lua_pushlstring(L, element, size);
		else
			push_struct(d, field, element, size);
		if (field->map || field->key >= 0)
			set_entry(d, type, field);
		else
			lua_rawseti(L, -2, i);
	}
	if (more < 0)
		bad_bytes(d, type, field);
}

static void push_array(struct decoder *d, const struct reef_sproto_type *type, const struct reef_sproto_field *field,
					   const char *bytes, size_t n) {
	switch (field->kind) {
	case REEF_SPROTO_INTEGER:
	case REEF_SPROTO_DOUBLE:
		push_numbers(d, type, field, bytes, n);
		return;
	case REEF_SPROTO_BOOLEAN:
		push_booleans(d, bytes, n);
		return;
	default:
		push_elements(d, type, field, bytes, n);
	}
}

/* ---- structs ---- */

static void decode_push_value(struct decoder *d, const struct reef_sproto_type *type,
							  const struct reef_sproto_field *field, const struct reef_sproto_value *value) {
	bool is_number = field->kind == REEF_SPROTO_INTEGER || field->kind == REEF_SPROTO_BOOLEAN;
	if (value->inlined != false && (field->array || !is_number))
		bad_bytes(d, type, field);
	if (field->array) {
		push_array(d, type, field, value->bytes, value->size);
		return;
	}
	int64_t v;
	switch (field->kind) {
	case REEF_SPROTO_INTEGER:
	case REEF_SPROTO_BOOLEAN:
		if (!reef_sproto_value_integer(value, &v))
			bad_bytes(d, type, field);
		if (field->kind == REEF_SPROTO_INTEGER)
			push_integer(d, field, v);
		else
			lua_pushboolean(d->L, v != 0);
		return;
	case REEF_SPROTO_DOUBLE:
		if (value->size != 8)
			bad_bytes(d, type, field);
		decode_push_double(d, value->bytes);
		return;
	case REEF_SPROTO_STRING:
		lua_pushlstring(d->L, value->bytes, value->size);
		return;
	default:
		push_struct(d, field, value->bytes, value->size);
	}
}

static size_t decode_struct(struct decoder *d, const struct reef_sproto_type *type, const char *bytes, size_t n) {
	lua_State *L = d->L;
	struct reef_sproto_fields fields;
	struct reef_sproto_value value;
	if (++d->depth > REEF_SPROTO_MAX_DEPTH)
		luaL_error(L, "sproto: %s: structs lie more than %d deep in each other", type->name, REEF_SPROTO_MAX_DEPTH);
	luaL_checkstack(L, 8, "sproto");
	if (!reef_sproto_fields_init(&fields, bytes, n))
		bad_bytes(d, type, NULL);
	uint32_t at = 0;
	int more;
	while ((more = reef_sproto_fields_next(&fields, &value)) == 1) {
		while (at < type->count && type->fields[at].tag < value.tag)
			at++;
		if (at == type->count || type->fields[at].tag != value.tag)
			continue;
		const struct reef_sproto_field *field = &type->fields[at];
		lua_rawgeti(L, d->names, field->index);
		decode_push_value(d, type, field, &value);
		lua_rawset(L, -3);
	}
	if (more < 0)
		bad_bytes(d, type, NULL);
	d->depth--;
	return (size_t)(fields.data - bytes);
}

size_t reef_sproto_decode(lua_State *L, const struct reef_sproto *schema, int type, const char *bytes, size_t n,
						  int names) {
	struct decoder d = {.L = L, .schema = schema, .names = names};
	return decode_struct(&d, &schema->types[type], bytes, n);
}
