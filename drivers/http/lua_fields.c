/* See lua_fields.h. A packed head is how many fields there are, where their names and values are (struct reef_http_field), and
 * the bytes that these point into. */
#include "drivers/http/lua_fields.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#define NAME_SIZE 64 /* bytes of a name that is lower-cased without a buffer of its own */
#define PACKED_SIZE 2048

static void push_lower(lua_State *L, const char *name, size_t n) {
	char small[NAME_SIZE];
	luaL_Buffer buffer;
	char *to = n <= sizeof small ? small : luaL_buffinitsize(L, &buffer, n);
	for (size_t i = 0; i < n; i++)
		to[i] = (char)(name[i] >= 'A' && name[i] <= 'Z' ? name[i] + ('a' - 'A') : name[i]);
	if (to == small)
		lua_pushlstring(L, small, n);
	else
		luaL_pushresultsize(&buffer, n);
}

/* With the table below and the name and the value on top. Takes both. */
static void add_again(lua_State *L) {
	lua_pushvalue(L, -2);
	int found = lua_rawget(L, -4);
	if (found == LUA_TNIL) {
		lua_pop(L, 1);
		lua_rawset(L, -3);
		return;
	}
	if (found == LUA_TSTRING) {
		lua_createtable(L, 2, 0);
		lua_insert(L, -2);
		lua_rawseti(L, -2, 1);
		lua_pushvalue(L, -3);
		lua_pushvalue(L, -2);
		lua_rawset(L, -6);
	}
	lua_insert(L, -2);
	lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	lua_pop(L, 2);
}

/* A number below 64 that is the same for the same names. */
static unsigned kind_of(const char *name, size_t n) {
	return (unsigned)(n + 7 * (unsigned char)(name[0] | 0x20) + (unsigned char)(name[n - 1] | 0x20)) & 63;
}

static void fields_push(lua_State *L, const struct reef_http_field *fields, uint32_t count, const char *text) {
	uint64_t seen = 0;
	lua_createtable(L, 0, (int)count);
	for (const struct reef_http_field *f = fields; f < fields + count; f++) {
		uint64_t kind = f->name_size > 0 ? (uint64_t)1 << kind_of(text + f->name, f->name_size) : 0;
		push_lower(L, text + f->name, f->name_size);
		lua_pushlstring(L, text + f->value, f->value_size);
		if (kind != 0 && !(seen & kind))
			lua_rawset(L, -3);
		else
			add_again(L);
		seen |= kind;
	}
}

void reef_lua_fields_push(lua_State *L, const struct reef_http_parser *p, uint32_t from, uint32_t to) {
	fields_push(L, p->fields + from, to - from, p->text);
}

/* ---- packed ---- */

void reef_lua_fields_pack(lua_State *L, const struct reef_http_parser *p) {
	uint32_t count = p->head_count;
	size_t fields = count * sizeof *p->fields, size = sizeof count + fields + p->size;
	char small[PACKED_SIZE];
	char *to = size <= sizeof small ? small : lua_newuserdatauv(L, size, 0);
	memcpy(to, &count, sizeof count);
	if (count > 0)
		memcpy(to + sizeof count, p->fields, fields);
	memcpy(to + sizeof count + fields, p->text, p->size);
	lua_pushlstring(L, to, size);
	if (to != small)
		lua_remove(L, -2);
}

static bool is_inside(uint32_t from, uint32_t n, size_t size) {
	return from <= size && n <= size - from;
}

int reef_lua_fields_unpack(lua_State *L) {
	size_t size;
	const char *bytes = luaL_checklstring(L, 1, &size);
	uint32_t count = 0;
	if (size >= sizeof count)
		memcpy(&count, bytes, sizeof count);
	size_t fields_size = (size_t)count * sizeof(struct reef_http_field);
	luaL_argcheck(L, size >= sizeof count && fields_size <= size - sizeof count, 1, "no head of a message");
	struct reef_http_field *fields = lua_newuserdatauv(L, fields_size, 0);
	memcpy(fields, bytes + sizeof count, fields_size);
	const char *text = bytes + sizeof count + fields_size;
	size -= sizeof count + fields_size;
	for (uint32_t i = 0; i < count; i++)
		luaL_argcheck(L,
					  is_inside(fields[i].name, fields[i].name_size, size) &&
							  is_inside(fields[i].value, fields[i].value_size, size),
					  1, "no head of a message");
	fields_push(L, fields, count, text);
	return 1;
}
