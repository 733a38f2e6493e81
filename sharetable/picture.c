/* Writing pictures; see picture.h. */
#include "picture.h"

#include <string.h>

#include "layout.h"

void reef_picture_begin(struct reef_picture *picture, lua_State *L, bool addresses) {
	*picture = (struct reef_picture){.L = L, .addresses = addresses};
	reef_ptrmap_init(&picture->ids);
}

void reef_picture_end(struct reef_picture *picture) {
	reef_text_free(&picture->text);
	reef_ptrmap_fini(&picture->ids);
	reef_array_fini(&picture->tables);
	reef_array_fini(&picture->order);
}

/* ---- bytes ---- */

void reef_picture_put_number(struct reef_text *to, uint64_t n) {
	char bytes[10];
	size_t size = 0;
	for (; n >= 0x80; n >>= 7)
		bytes[size++] = (char)(n | 0x80);
	bytes[size++] = (char)n;
	reef_text_add(to, bytes, size);
}

void reef_picture_put_bytes(struct reef_text *to, const char *bytes, size_t size) {
	reef_picture_put_number(to, size);
	reef_text_add(to, bytes, size);
}

static void put_type(struct reef_picture *picture, enum reef_pictured_type type) {
	char byte = (char)type;
	reef_text_add(&picture->text, &byte, 1);
}

/* ---- values ---- */

/* A table's id; one that was not met yet is to be shown, too. */
static uint64_t picture_id_of(struct reef_picture *picture, const Table *table) {
	uint64_t id = (uint64_t)(uintptr_t)reef_ptrmap_get(&picture->ids, table);
	if (id > 0)
		return picture->addresses ? (uint64_t)(uintptr_t)table : id;
	const Table **place = reef_array_add(&picture->tables);
	if (place == NULL || !reef_ptrmap_put(&picture->ids, table, (void *)(uintptr_t)picture->tables.count)) {
		picture->failed = true;
		return 0;
	}
	*place = table;
	return picture->addresses ? (uint64_t)(uintptr_t)table : picture->tables.count;
}

static void put_value(struct reef_picture *picture, const TValue *value, bool follow) {
	struct reef_text *to = &picture->text;
	lua_Number real;
	switch (ttypetag(value)) {
	case LUA_VFALSE:
	case LUA_VTRUE:
		put_type(picture, ttistrue(value) ? REEF_PICTURED_TRUE : REEF_PICTURED_FALSE);
		break;
	case LUA_VNUMINT:
		put_type(picture, REEF_PICTURED_INTEGER);
		reef_picture_put_number(to, l_castS2U(ivalue(value)) << 1 ^ (uint64_t)(ivalue(value) >> 63));
		break;
	case LUA_VNUMFLT:
		real = fltvalue(value);
		put_type(picture, REEF_PICTURED_FLOAT);
		reef_text_add(to, (const char *)&real, sizeof(real));
		break;
	case LUA_VSHRSTR:
	case LUA_VLNGSTR:
		put_type(picture, REEF_PICTURED_STRING);
		reef_picture_put_bytes(to, getstr(tsvalue(value)), tsslen(tsvalue(value)));
		break;
	case LUA_VLIGHTUSERDATA:
		put_type(picture, REEF_PICTURED_POINTER);
		reef_picture_put_number(to, picture->compared ? 0 : (uint64_t)(uintptr_t)pvalue(value));
		break;
	case LUA_VTABLE:
		put_type(picture, REEF_PICTURED_TABLE);
		reef_picture_put_number(to,
								follow ? picture_id_of(picture, hvalue(value)) : (uint64_t)(uintptr_t)hvalue(value));
		break;
	default:
		picture->cannot = luaT_objtypename(picture->L, value);
		put_type(picture, REEF_PICTURED_FALSE);
	}
}

/* ---- tables ---- */

/* The places of the hash part's entries, in the order in which they are to be set. */
static bool put_in_order(struct reef_picture *picture, const Table *t, unsigned int dense) {
	picture->order.count = 0;
	if (!reef_array_reserve(&picture->order, (size_t)sizenode(t) * 2))
		return false;
	picture->order.count = reef_layout_order(t, dense, picture->order.items);
	return true;
}

static void put_table(struct reef_picture *picture, uint64_t id, const Table *t, bool follow) {
	struct reef_text *to = &picture->text;
	unsigned int size = luaH_realasize(t), dense = reef_layout_of((Table *)t).array, sparse = 0;
	if (!put_in_order(picture, t, dense)) {
		picture->failed = true;
		return;
	}
	for (unsigned int i = dense; i < size; i++)
		sparse += !isempty(&t->array[i]);
	reef_picture_put_number(to, id);
	reef_picture_put_number(to, follow && t->metatable ? picture_id_of(picture, t->metatable) : 0);
	reef_picture_put_number(to, dense);
	reef_picture_put_number(to, sparse + picture->order.count);
	for (unsigned int i = 0; i < dense; i++)
		put_value(picture, i < size ? &t->array[i] : luaH_getint((Table *)t, (lua_Integer)i + 1), follow);
	TValue key;
	for (unsigned int i = dense; i < size; i++) {
		if (isempty(&t->array[i]))
			continue;
		setivalue(&key, (lua_Integer)i + 1);
		put_value(picture, &key, follow);
		put_value(picture, &t->array[i], follow);
	}
	for (size_t i = 0; i < picture->order.count; i++) {
		const Node *n = gnode(t, picture->order.items[i]);
		getnodekey(picture->L, &key, n);
		put_value(picture, &key, follow);
		put_value(picture, gval(n), follow);
	}
	picture->failed |= to->failed;
}

void reef_picture_add(struct reef_picture *picture, const Table *root) {
	size_t at = picture->tables.count;
	(void)picture_id_of(picture, root);
	for (; at < picture->tables.count && !picture->failed; at++) {
		const Table *t = picture->tables.items[at];
		put_table(picture, picture->addresses ? (uint64_t)(uintptr_t)t : at + 1, t, true);
	}
}

void reef_picture_add_content(struct reef_picture *picture, const Table *table, const Table *content) {
	put_table(picture, (uint64_t)(uintptr_t)table, content, false);
}
