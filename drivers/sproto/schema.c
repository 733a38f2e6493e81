/* Schemas from bundles. A bundle says of itself, as a sproto message:
 *
 *     group { type 0 : *type  protocol 1 : *protocol }
 *     type { name 0 : string  fields 1 : *field }
 *     field { name 0 : string  builtin 1 : integer  type 2 : integer  tag 3 : integer  array 4 : boolean
 *             key 5 : integer  map 6 : boolean }
 *     protocol { name 0 : string  tag 1 : integer  request 2 : integer  response 3 : integer  confirm 4 : boolean }
 *
 * It is gone through twice: once to know how much memory it takes, then to fill it. */
#include "schema.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "wire.h"

#define MOST_FIELDS 65535u
#define MOST_DECIMALS 18

struct bundle {
	const char *types, *types_end, *protocols, *protocols_end; /* the two arrays */
	size_t type_count, protocol_count, field_count, text_size;
	char *why;
	size_t why_size;
};

/* What a field or protocol says before it is checked. */
struct record {
	const char *name;
	uint32_t name_size;
	int64_t number[8]; /* by tag; -1: not there */
	const char *list, *list_end;
};

static bool refuse_bundle(struct bundle *bundle, const char *what, const struct record *where) {
	snprintf(bundle->why, bundle->why_size, "invalid sproto bundle: %s%s%.*s", what, where ? " in " : "",
			 where && where->name ? (int)where->name_size : 0, where && where->name ? where->name : "");
	return false;
}

/* `text`: tag of the name; `list`: tag of an array, -1: none. All other tags are numbers. */
static bool read_record(struct bundle *bundle, const char *bytes, size_t n, int list, struct record *record) {
	struct reef_sproto_fields fields;
	struct reef_sproto_value value;
	memset(record, 0, sizeof(*record));
	for (int i = 0; i < 8; i++)
		record->number[i] = -1;
	if (!reef_sproto_fields_init(&fields, bytes, n))
		return refuse_bundle(bundle, "a record without a header", NULL);
	int more;
	while ((more = reef_sproto_fields_next(&fields, &value)) == 1) {
		if (value.tag == 0 && !value.inlined) {
			record->name = value.bytes;
			record->name_size = value.size;
		} else if ((int)value.tag == list && !value.inlined) {
			record->list = value.bytes;
			record->list_end = value.bytes + value.size;
		} else if (value.tag < 8 && !reef_sproto_value_integer(&value, &record->number[value.tag])) {
			return refuse_bundle(bundle, "a number that is none", record);
		}
	}
	if (more < 0)
		return refuse_bundle(bundle, "a record is cut short", record);
	if (record->name == NULL || record->name_size == 0 || memchr(record->name, 0, record->name_size))
		return refuse_bundle(bundle, "a record without a name", NULL);
	return true;
}

static bool count_elements(struct bundle *bundle, const char *at, const char *end, size_t *count) {
	const char *bytes;
	uint32_t size;
	int more;
	while ((more = reef_sproto_next_element(&at, end, &bytes, &size)) == 1)
		++*count;
	return more == 0 || refuse_bundle(bundle, "an array is cut short", NULL);
}

static bool measure(struct bundle *bundle, const char *bytes, size_t n) {
	struct reef_sproto_fields fields;
	struct reef_sproto_value value;
	if (!reef_sproto_fields_init(&fields, bytes, n))
		return refuse_bundle(bundle, "no header", NULL);
	int more;
	while ((more = reef_sproto_fields_next(&fields, &value)) == 1) {
		if (value.inlined || value.tag > 1)
			return refuse_bundle(bundle, "a field that nobody knows", NULL);
		const char **array = value.tag == 0 ? &bundle->types : &bundle->protocols;
		array[0] = value.bytes;
		array[1] = value.bytes + value.size;
	}
	if (more < 0)
		return refuse_bundle(bundle, "it is cut short", NULL);
	if (!count_elements(bundle, bundle->types, bundle->types_end, &bundle->type_count) ||
		!count_elements(bundle, bundle->protocols, bundle->protocols_end, &bundle->protocol_count))
		return false;
	uint32_t size;
	for (const char *at = bundle->types; reef_sproto_next_element(&at, bundle->types_end, &bytes, &size) == 1;) {
		struct record type;
		if (!read_record(bundle, bytes, size, 1, &type) ||
			!count_elements(bundle, type.list, type.list_end, &bundle->field_count))
			return false;
	}
	/* Each name comes from the bundle, so they take no more than it. */
	bundle->text_size = n + bundle->type_count + bundle->field_count + bundle->protocol_count;
	return bundle->field_count <= MOST_FIELDS || refuse_bundle(bundle, "too many fields", NULL);
}

static const char *keep_name(char **text, const struct record *record) {
	char *name = *text;
	memcpy(name, record->name, record->name_size);
	name[record->name_size] = 0;
	*text += record->name_size + 1;
	return name;
}

static bool fill_field(struct bundle *bundle, const struct record *record, struct reef_sproto_field *field) {
	int64_t builtin = record->number[1], type = record->number[2], tag = record->number[3], key = record->number[5];
	static const uint8_t kinds[] = {REEF_SPROTO_INTEGER, REEF_SPROTO_BOOLEAN, REEF_SPROTO_STRING, REEF_SPROTO_DOUBLE};
	if (tag < 0 || tag > INT16_MAX)
		return refuse_bundle(bundle, "a tag out of range", record);
	if (builtin >= (int64_t)sizeof(kinds) || (builtin < 0 && (type < 0 || type >= (int64_t)bundle->type_count)))
		return refuse_bundle(bundle, "a type that is not there", record);
	field->tag = (uint16_t)tag;
	field->array = record->number[4] == 1;
	field->map = record->number[6] == 1;
	field->key = key >= 0 && key <= INT16_MAX && !field->map ? (int32_t)key : -1;
	field->kind = builtin < 0 ? REEF_SPROTO_STRUCT : kinds[builtin];
	field->binary = field->kind == REEF_SPROTO_STRING && type == 1;
	field->type = builtin < 0 ? (uint32_t)type : 0;
	if (field->kind == REEF_SPROTO_INTEGER && type > 0) {
		if (type > MOST_DECIMALS)
			return refuse_bundle(bundle, "more than 18 decimals", record);
		field->scale = 1;
		for (int64_t i = 0; i < type; i++)
			field->scale *= 10;
	}
	if ((field->map || field->key >= 0) && (field->kind != REEF_SPROTO_STRUCT || !field->array))
		return refuse_bundle(bundle, "a map of what is no struct", record);
	return true;
}

static int compare_fields(const void *a, const void *b) {
	return (int)((const struct reef_sproto_field *)a)->tag - (int)((const struct reef_sproto_field *)b)->tag;
}

static int compare_protocols(const void *a, const void *b) {
	uint32_t x = ((const struct reef_sproto_protocol *)a)->tag, y = ((const struct reef_sproto_protocol *)b)->tag;
	return x < y ? -1 : x > y;
}

static bool fill_type(struct bundle *bundle, const struct record *record, struct reef_sproto_type *type,
					  struct reef_sproto_field **fields, uint32_t *index, char **text) {
	struct reef_sproto_field *first = *fields;
	const char *bytes, *at = record->list;
	uint32_t size;
	while (reef_sproto_next_element(&at, record->list_end, &bytes, &size) == 1) {
		struct record field;
		if (!read_record(bundle, bytes, size, -1, &field) || !fill_field(bundle, &field, *fields))
			return false;
		(*fields)->name = keep_name(text, &field);
		(*fields)->name_size = field.name_size;
		(*fields)->index = ++*index;
		++*fields;
	}
	type->name = keep_name(text, record);
	type->fields = first;
	type->count = (uint32_t)(*fields - first);
	if (type->count == 0)
		return true;
	qsort(first, type->count, sizeof(*first), compare_fields);
	int last = -1;
	for (uint32_t i = 0; i < type->count; i++) {
		if (first[i].tag == last)
			return refuse_bundle(bundle, "a tag is there twice", record);
		type->most_words += first[i].tag > last + 1 ? 2 : 1;
		last = first[i].tag;
	}
	return true;
}

static bool fill_protocol(struct bundle *bundle, const struct record *record, struct reef_sproto_protocol *protocol,
						  char **text) {
	int64_t tag = record->number[1], request = record->number[2], response = record->number[3];
	if (tag < 0 || tag > INT32_MAX)
		return refuse_bundle(bundle, "a tag out of range", record);
	if (request >= (int64_t)bundle->type_count || response >= (int64_t)bundle->type_count)
		return refuse_bundle(bundle, "a type that is not there", record);
	*protocol = (struct reef_sproto_protocol){.name = keep_name(text, record),
											  .tag = (uint32_t)tag,
											  .request = (int32_t)request,
											  .response = (int32_t)response,
											  .confirm = record->number[4] == 1};
	return true;
}

/* Maps need the fields that make their keys and values. */
static bool check_maps(struct bundle *bundle, const struct reef_sproto *schema) {
	for (uint32_t i = 0; i < schema->type_count; i++) {
		const struct reef_sproto_type *type = &schema->types[i];
		for (uint32_t k = 0; k < type->count; k++) {
			const struct reef_sproto_field *field = &type->fields[k];
			struct record where = {.name = field->name, .name_size = field->name_size};
			const struct reef_sproto_type *of = &schema->types[field->type];
			if (field->map && of->count != 2)
				return refuse_bundle(bundle, "a plain map of a struct without two fields", &where);
			if (field->key >= 0 && reef_sproto_field_of(of, field->key) == NULL)
				return refuse_bundle(bundle, "a key that is not there", &where);
		}
	}
	return true;
}

static bool schema_fill(struct bundle *bundle, struct reef_sproto *schema, struct reef_sproto_type *types,
						struct reef_sproto_protocol *protocols, struct reef_sproto_field *fields, char *text) {
	const char *bytes, *at = bundle->types;
	uint32_t size, index = 0;
	struct record record;
	for (; reef_sproto_next_element(&at, bundle->types_end, &bytes, &size) == 1; types++) {
		if (!read_record(bundle, bytes, size, 1, &record) || !fill_type(bundle, &record, types, &fields, &index, &text))
			return false;
	}
	struct reef_sproto_protocol *protocol = protocols;
	for (at = bundle->protocols; reef_sproto_next_element(&at, bundle->protocols_end, &bytes, &size) == 1; protocol++) {
		if (!read_record(bundle, bytes, size, -1, &record) || !fill_protocol(bundle, &record, protocol, &text))
			return false;
	}
	if (schema->protocol_count > 0)
		qsort(protocols, schema->protocol_count, sizeof(*protocols), compare_protocols);
	return check_maps(bundle, schema);
}

struct reef_sproto *reef_sproto_new(const char *bytes, size_t n, char *why, size_t size) {
	struct bundle bundle = {.why = why, .why_size = size};
	if (!measure(&bundle, bytes, n))
		return NULL;
	size_t types_at = sizeof(struct reef_sproto);
	size_t protocols_at = types_at + bundle.type_count * sizeof(struct reef_sproto_type);
	size_t fields_at = protocols_at + bundle.protocol_count * sizeof(struct reef_sproto_protocol);
	size_t text_at = fields_at + bundle.field_count * sizeof(struct reef_sproto_field);
	char *memory = reef_try_malloc(text_at + bundle.text_size);
	if (memory == NULL) {
		snprintf(why, size, "not enough memory");
		return NULL;
	}
	memset(memory, 0, text_at);
	struct reef_sproto *schema = (struct reef_sproto *)(void *)memory;
	struct reef_sproto_type *types = (struct reef_sproto_type *)(void *)(memory + types_at);
	struct reef_sproto_protocol *protocols = (struct reef_sproto_protocol *)(void *)(memory + protocols_at);
	*schema = (struct reef_sproto){.types = types,
								   .protocols = protocols,
								   .type_count = (uint32_t)bundle.type_count,
								   .protocol_count = (uint32_t)bundle.protocol_count,
								   .field_count = (uint32_t)bundle.field_count,
								   .references = 1};
	struct reef_sproto_field *fields = (struct reef_sproto_field *)(void *)(memory + fields_at);
	if (!schema_fill(&bundle, schema, types, protocols, fields, memory + text_at)) {
		reef_free(memory);
		return NULL;
	}
	return schema;
}

void reef_sproto_ref(struct reef_sproto *schema) {
	__atomic_fetch_add(&schema->references, 1, __ATOMIC_RELAXED);
}

void reef_sproto_unref(struct reef_sproto *schema) {
	if (__atomic_sub_fetch(&schema->references, 1, __ATOMIC_ACQ_REL) == 0)
		reef_free(schema);
}

int reef_sproto_find_type(const struct reef_sproto *schema, const char *name) {
	for (uint32_t i = 0; i < schema->type_count; i++) {
		if (strcmp(schema->types[i].name, name) == 0)
			return (int)i;
	}
	return -1;
}

const struct reef_sproto_protocol *reef_sproto_find_protocol(const struct reef_sproto *schema, const char *name) {
	for (uint32_t i = 0; i < schema->protocol_count; i++) {
		if (strcmp(schema->protocols[i].name, name) == 0)
			return &schema->protocols[i];
	}
	return NULL;
}

const struct reef_sproto_protocol *reef_sproto_protocol_of(const struct reef_sproto *schema, uint32_t tag) {
	struct reef_sproto_protocol wanted = {.tag = tag};
	return schema->protocol_count == 0
				   ? NULL
				   : bsearch(&wanted, schema->protocols, schema->protocol_count, sizeof(wanted), compare_protocols);
}

const struct reef_sproto_field *reef_sproto_field_of(const struct reef_sproto_type *type, int tag) {
	for (uint32_t i = 0; i < type->count; i++) {
		if (type->fields[i].tag == tag)
			return &type->fields[i];
	}
	return NULL;
}
