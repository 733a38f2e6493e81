/* See shape.h. A check is a C closure whose upvalue is a userdatum with the shape's fields. The uservalue of that says of a
 * name which field it is, and holds what fields refer to: shapes and functions, under integers. */
#include "shape.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "drivers/bson/format.h"
#include "drivers/bson/kind.h"
#include "drivers/bson/reader.h"
#include "drivers/bson/tables.h"
#include "drivers/bson/writer.h"

enum { LONGEST_NAME = 32, MOST_NEEDED = 32, STACK = 10 };

enum kind {
	KIND_NUMBER,
	KIND_INTEGER,
	KIND_COUNT,
	KIND_TEXT,
	KIND_BOOLEAN,
	KIND_TIMESTAMP,
	KIND_OBJECTID,
	KIND_BINARY,
	KIND_DATE,
	KIND_DOCUMENT,
	KIND_LIST,
	KIND_BATCH,
	KIND_SHAPE,
	KIND_FUNCTION,
};

struct field {
	char name[LONGEST_NAME];
	enum kind kind;
	bool is_list; /* of that kind */
	bool null, told;
	uint32_t needed; /* a bit of its own; 0: need not be there */
	int part;        /* where the uservalue holds the shape or the function */
};

struct shape {
	uint32_t needed; /* all bits of its fields */
	int count;
	struct field fields[];
};

enum verdict { WRONG, AS_IT_IS, CHANGED };

static enum verdict judge(lua_State *L, const struct field *field, enum kind kind, bool is_list, int parts);

/* The BSON type of the string on top of the stack, which may be tagged; 0 if there is none. */
static uint8_t type_of_string(lua_State *L) {
	size_t size;
	if (lua_type(L, -1) != LUA_TSTRING)
		return 0;
	const char *s = lua_tolstring(L, -1, &size);
	return size < 2 || s[0] != 0 ? REEF_BSON_STRING : reef_bson_kind_of_tagged((const uint8_t *)s, size);
}

static enum verdict of_type(lua_State *L, uint8_t type) {
	return type_of_string(L) == type ? AS_IT_IS : WRONG;
}

static bool is_list(lua_State *L) {
	if (!lua_istable(L, -1) || !lua_getmetatable(L, -1))
		return false;
	reef_bson_tables_push_array_mt(L);
	bool same = lua_rawequal(L, -1, -2);
	lua_pop(L, 2);
	return same;
}

static bool is_document(lua_State *L) {
	return lua_istable(L, -1) && !is_list(L);
}

/* Puts an integer, or what int64 stands for, in the value's place. */
static enum verdict judge_number(lua_State *L, enum kind kind) {
	int exact = lua_isinteger(L, -1);
	lua_Integer n = 0;
	if (type_of_string(L) == REEF_BSON_INT64) {
		n = (lua_Integer)reef_get64((const uint8_t *)lua_tostring(L, -1) + 2);
	} else if (lua_type(L, -1) != LUA_TNUMBER) {
		return WRONG;
	} else if (exact || kind == KIND_NUMBER) {
		return kind == KIND_COUNT && lua_tointeger(L, -1) < 0 ? WRONG : AS_IT_IS;
	} else {
		n = lua_tointegerx(L, -1, &exact);
		if (!exact)
			return WRONG;
	}
	if (kind == KIND_COUNT && n < 0)
		return WRONG;
	lua_pop(L, 1);
	lua_pushinteger(L, n);
	return CHANGED;
}

static enum verdict judge_elements(lua_State *L, const struct field *field, enum kind kind, int parts) {
	if (!is_list(L))
		return WRONG;
	int list = lua_gettop(L);
	for (lua_Integer i = 1; lua_rawgeti(L, list, i) != LUA_TNIL; i++) {
		enum verdict verdict = judge(L, field, kind, false, parts);
		if (verdict == WRONG) {
			lua_settop(L, list);
			return WRONG;
		}
		if (verdict == CHANGED)
			lua_rawseti(L, list, i);
		lua_settop(L, list);
	}
	lua_settop(L, list);
	return AS_IT_IS;
}

static enum verdict judge_by_function(lua_State *L, const struct field *field, int parts) {
	lua_rawgeti(L, parts, field->part);
	lua_pushvalue(L, -2);
	lua_call(L, 1, 1);
	bool is_wrong = lua_isnil(L, -1);
	if (is_wrong)
		lua_pop(L, 1);
	else
		lua_replace(L, -2);
	return is_wrong ? WRONG : CHANGED;
}

/* Most values are what they have to be, and can be seen to be at a glance. */
static bool is_plain(lua_State *L, const struct field *field, int value) {
	switch (field->is_list ? KIND_LIST : field->kind) {
	case KIND_NUMBER:
		return lua_type(L, value) == LUA_TNUMBER;
	case KIND_INTEGER:
		return lua_isinteger(L, value);
	case KIND_COUNT:
		return lua_isinteger(L, value) && lua_tointeger(L, value) >= 0;
	case KIND_TEXT:
		return lua_type(L, value) == LUA_TSTRING && lua_tostring(L, value)[0] != 0;
	case KIND_BATCH:
		return lua_type(L, value) == LUA_TUSERDATA;
	default:
		return false;
	}
}

static void set_field(lua_State *L, int document, int key, int value) {
	lua_pushvalue(L, key);
	lua_pushvalue(L, value);
	lua_rawset(L, document);
}

/* The document at `document` by the shape on top of the stack. NULL: it is right. Else the field for whose sake it is not,
 * and whether that one is missing. */
static const struct field *examine(lua_State *L, int document, bool *missing) {
	const struct shape *shape = lua_touserdata(L, -1);
	const struct field *wrong = NULL;
	uint32_t seen = 0;
	luaL_checkstack(L, STACK, "a reply is nested too deeply");
	lua_getiuservalue(L, -1, 1);
	int parts = lua_gettop(L), key = parts + 1, value = parts + 2;
	lua_pushnil(L);
	for (; lua_next(L, document); lua_settop(L, key)) {
		lua_pushvalue(L, key);
		if (lua_type(L, key) != LUA_TSTRING || lua_rawget(L, parts) != LUA_TNUMBER)
			continue;
		const struct field *field = &shape->fields[lua_tointeger(L, -1)];
		if (is_plain(L, field, value)) {
			seen |= field->needed;
			continue;
		}
		lua_pop(L, 1);
		enum verdict verdict = judge(L, field, field->kind, field->is_list, parts);
		if (verdict == WRONG) {
			bool is_null = type_of_string(L) == REEF_BSON_NULL;
			if (!is_null && !field->told)
				wrong = field;
			if (is_null && field->needed && !field->null)
				continue;
			lua_pushnil(L);
			lua_replace(L, value);
			verdict = CHANGED;
		}
		seen |= field->needed;
		if (verdict == CHANGED)
			set_field(L, document, key, value);
	}
	lua_settop(L, parts - 1);
	*missing = seen != shape->needed;
	for (int i = 0; *missing && i < shape->count; i++)
		if (shape->fields[i].needed & ~seen)
			return &shape->fields[i];
	return wrong;
}

static enum verdict judge_by_shape(lua_State *L, const struct field *field, int parts) {
	bool missing;
	if (!is_document(L))
		return WRONG;
	int document = lua_gettop(L);
	lua_rawgeti(L, parts, field->part);
	const struct field *wrong = examine(L, document, &missing);
	lua_settop(L, document);
	return wrong ? WRONG : AS_IT_IS;
}

/* The value on top of the stack, in whose place comes what is used. A wrong one stays. */
static enum verdict judge(lua_State *L, const struct field *field, enum kind kind, bool of_list, int parts) {
	if (of_list)
		return judge_elements(L, field, kind, parts);
	switch (kind) {
	case KIND_NUMBER:
	case KIND_INTEGER:
	case KIND_COUNT:
		return judge_number(L, kind);
	case KIND_TEXT: {
		uint8_t type = type_of_string(L);
		bool is_tagged_wrongly = type == 0 && lua_type(L, -1) == LUA_TSTRING; /* so it is a text, after all */
		return type == REEF_BSON_STRING || is_tagged_wrongly ? AS_IT_IS : WRONG;
	}
	case KIND_BOOLEAN:
		return lua_isboolean(L, -1) ? AS_IT_IS : WRONG;
	case KIND_TIMESTAMP:
		return of_type(L, REEF_BSON_TIMESTAMP);
	case KIND_OBJECTID:
		return of_type(L, REEF_BSON_OBJECTID);
	case KIND_BINARY:
		return of_type(L, REEF_BSON_BINARY);
	case KIND_DATE:
		return of_type(L, REEF_BSON_DATE);
	case KIND_DOCUMENT:
		return is_document(L) ? AS_IT_IS : WRONG;
	case KIND_LIST:
		return is_list(L) ? AS_IT_IS : WRONG;
	case KIND_BATCH:
		return lua_type(L, -1) == LUA_TUSERDATA ? AS_IT_IS : judge_elements(L, field, KIND_DOCUMENT, parts);
	case KIND_SHAPE:
		return judge_by_shape(L, field, parts);
	default:
		return judge_by_function(L, field, parts);
	}
}

static int shape_check(lua_State *L) {
	bool missing;
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	lua_pushvalue(L, lua_upvalueindex(1));
	const struct field *wrong = examine(L, 1, &missing);
	if (!wrong)
		return 0;
	lua_pushfstring(L, missing ? "it has no field '%s'" : "its field '%s' is not what it has to be", wrong->name);
	return 1;
}

/* ---- making shapes ---- */

static bool flag(lua_State *L, int index, const char *name) {
	lua_getfield(L, index, name);
	bool is_set = lua_toboolean(L, -1);
	lua_pop(L, 1);
	return is_set;
}

/* The kind on top of the stack, which is taken off. What it refers to goes into the parts. */
static void read_kind(lua_State *L, struct field *field, int parts) {
	static const char *const names[] = {
			[KIND_NUMBER] = "number",     [KIND_INTEGER] = "integer", [KIND_COUNT] = "count",
			[KIND_TEXT] = "text",         [KIND_BOOLEAN] = "boolean", [KIND_TIMESTAMP] = "timestamp",
			[KIND_OBJECTID] = "objectid", [KIND_BINARY] = "binary",   [KIND_DATE] = "date",
			[KIND_DOCUMENT] = "document", [KIND_LIST] = "list",       [KIND_BATCH] = "batch",
			[KIND_SHAPE] = NULL};
	if (lua_istable(L, -1)) {
		field->is_list = true;
		lua_rawgeti(L, -1, 1);
		lua_replace(L, -2);
	}
	if (lua_isfunction(L, -1)) {
		field->kind = lua_tocfunction(L, -1) == shape_check ? KIND_SHAPE : KIND_FUNCTION;
		if (field->kind == KIND_SHAPE) {
			lua_getupvalue(L, -1, 1);
			lua_replace(L, -2);
		}
		field->part = (int)lua_rawlen(L, parts) + 1;
		lua_rawseti(L, parts, field->part);
	} else {
		field->kind = (enum kind)luaL_checkoption(L, -1, NULL, names);
		lua_pop(L, 1);
	}
}

/* The field's description is on top of the stack, its name below. */
static void read_field(lua_State *L, struct shape *shape, struct field *field, int parts) {
	size_t size;
	const char *name = luaL_checklstring(L, -2, &size);
	luaL_argcheck(L, size < LONGEST_NAME, 1, "a name is too long");
	*field = (struct field){.null = flag(L, -1, "null"), .told = flag(L, -1, "told")};
	memcpy(field->name, name, size + 1);
	if (flag(L, -1, "needed")) {
		luaL_argcheck(L, (shape->needed >> (MOST_NEEDED - 1)) == 0, 1, "too many fields are needed");
		field->needed = shape->needed + 1;
		shape->needed |= field->needed;
	}
	lua_getfield(L, -1, "kind");
	read_kind(L, field, parts);
}

int reef_mongo_shape_new(lua_State *L) {
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_settop(L, 1);
	size_t count = 0;
	for (lua_pushnil(L); lua_next(L, 1); lua_pop(L, 1))
		count++;
	struct shape *shape = lua_newuserdatauv(L, sizeof(*shape) + count * sizeof(struct field), 1);
	shape->needed = 0;
	shape->count = 0;
	lua_newtable(L);
	lua_pushvalue(L, 3);
	lua_setiuservalue(L, 2, 1);
	for (lua_pushnil(L); lua_next(L, 1); lua_settop(L, 4)) {
		read_field(L, shape, &shape->fields[shape->count], 3);
		lua_pushvalue(L, 4);
		lua_pushinteger(L, shape->count++);
		lua_rawset(L, 3);
	}
	lua_pushvalue(L, 2);
	lua_pushcclosure(L, shape_check, 1);
	return 1;
}
