/* Lua tables to BSON bytes, in one walk straight into the writer. Which table is an array and which a document is the
 * contract's rule: see `body`.
 */
#include "encode.h"

#include <string.h>

#include <lauxlib.h>

#include "core/utf8.h"
#include "counter.h"
#include "element.h"
#include "object.h"
#include "tables.h"

static void encode_value(struct reef_bson_encoder *e, int index);

/* ---- documents and arrays ---- */

/* The key at -2 with its value at -1. */
static void pair(struct reef_bson_encoder *e) {
	lua_State *L = e->L;
	int type = lua_type(L, -2);
	if (type != LUA_TSTRING) {
		if (type == LUA_TNUMBER) {
			reef_bson_element_fail(e, "Bson dictionary's key can't be number");
		}
		lua_pushfstring(L, "Invalid key type : %s", lua_typename(L, type));
		reef_bson_element_fail(e, lua_tostring(L, -1));
	}
	size_t size;
	const char *key = lua_tolstring(L, -2, &size);
	reef_bson_element_check_key(e, key, size);
	encode_value(e, lua_gettop(L));
}

/* Goes on with a plain table whose first key and value are on the stack. */
static void plain_document(struct reef_bson_encoder *e, int index) {
	size_t start = reef_bson_element_begin(e);
	do {
		pair(e);
		lua_pop(e->L, 1);
	} while (lua_next(e->L, index) != 0);
	reef_bson_element_end(e, start);
}

/* The element at the top of the stack, whose number `c` says; popped. */
static void array_element(struct reef_bson_encoder *e, struct reef_bson_counter *c) {
	reef_bson_element_set_key(e, c->text + c->first, sizeof(c->text) - (size_t)c->first);
	if (lua_isnil(e->L, -1)) {
		reef_bson_element_fail(e, "Bson array has a hole (nil), Use bson.null instead");
	}
	encode_value(e, lua_gettop(e->L));
	lua_pop(e->L, 1);
	reef_bson_counter_next(c);
}

/* Elements 1 to n as __len and __index say. */
static void array_by_index(struct reef_bson_encoder *e, int index, lua_Integer n) {
	struct reef_bson_counter c;
	size_t start = reef_bson_element_begin(e);
	reef_bson_counter_start(&c);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_geti(e->L, index, i);
		array_element(e, &c);
	}
	reef_bson_element_end(e, start);
}

/* Is there an element behind a hole? Names are passed over: tables that table.pack makes have one. */
static void check_dense(struct reef_bson_encoder *e, int index, lua_Integer n) {
	lua_State *L = e->L;
	lua_pushnil(L);
	while (lua_next(L, index) != 0) {
		lua_pop(L, 1);
		if (lua_type(L, -1) != LUA_TNUMBER) {
			continue;
		}
		lua_Integer i = lua_isinteger(L, -1) ? lua_tointeger(L, -1) : 0;
		if (i < 1 || i > n) {
			luaL_tolstring(L, -1, NULL);
			lua_pushfstring(L,
							i > n ? "Bson array has a hole (nil), Use bson.null instead: %d elements, and a key %s"
								  : "Bson array of %d elements with a key %s",
							(int)n, lua_tostring(L, -1));
			e->at.depth--;
			reef_bson_element_fail(e, lua_tostring(L, -1));
		}
	}
}

/* A table whose keys are 1 to n. Most often iteration goes through them in order, and then nothing else is there. */
static void encode_array(struct reef_bson_encoder *e, int index, lua_Integer n) {
	lua_State *L = e->L;
	struct reef_bson_counter c;
	size_t start = reef_bson_element_begin(e);
	lua_Integer i = 0;
	int key = lua_gettop(L) + 1;
	reef_bson_counter_start(&c);
	lua_pushnil(L);
	while (lua_next(L, index) != 0) {
		i++;
		if (lua_tointeger(L, key) != i || !lua_isinteger(L, key)) {
			lua_settop(L, key - 1);
			check_dense(e, index, n);
			for (; i <= n; i++) {
				lua_rawgeti(L, index, i);
				array_element(e, &c);
			}
			break;
		}
		reef_bson_element_set_key(e, c.text + c.first, sizeof(c.text) - (size_t)c.first);
		encode_value(e, key + 1);
		lua_settop(L, key);
		reef_bson_counter_next(&c);
	}
	reef_bson_element_end(e, start);
}

static void ordered_document(struct reef_bson_encoder *e, int index) {
	lua_State *L = e->L;
	size_t start = reef_bson_element_begin(e);
	lua_rawgetp(L, index, &reef_bson_tables_order);
	lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, -1, i);
		lua_pushvalue(L, -1);
		if (lua_rawget(L, index) != LUA_TNIL) {
			pair(e);
		}
		lua_pop(L, 2);
	}
	lua_pop(L, 1);
	reef_bson_element_end(e, start);
}

/* The iterator function and its two values are on the stack, and are popped. */
static void iterated_document(struct reef_bson_encoder *e) {
	lua_State *L = e->L;
	int base = lua_gettop(L) - 2;
	size_t start = reef_bson_element_begin(e);
	for (;;) {
		lua_pushvalue(L, base);
		lua_pushvalue(L, base + 1);
		lua_pushvalue(L, base + 2);
		lua_call(L, 2, 2);
		if (lua_isnil(L, -2)) {
			break;
		}
		pair(e);
		lua_pop(L, 1);
		lua_replace(L, base + 2);
	}
	lua_settop(L, base - 1);
	reef_bson_element_end(e, start);
}

/* Writes the table's body if its metatable decides what it is; answers the type, or 0. */
static int body_by_metatable(struct reef_bson_encoder *e, int index, bool top) {
	lua_State *L = e->L;
	if (!lua_getmetatable(L, index)) {
		return 0;
	}
	reef_bson_tables_push_array_mt(L);
	bool is_array = lua_rawequal(L, -1, -2);
	reef_bson_tables_push_document_mt(L);
	bool is_ordered = lua_rawequal(L, -1, -3);
	lua_pop(L, 3);
	if (is_ordered) {
		ordered_document(e, index);
		return REEF_BSON_DOCUMENT;
	}
	if (is_array && !top) {
		encode_array(e, index, (lua_Integer)lua_rawlen(L, index));
		return REEF_BSON_ARRAY;
	}
	if (!top && luaL_getmetafield(L, index, "__len") != LUA_TNIL) {
		lua_pushvalue(L, index);
		lua_call(L, 1, 1);
		if (!lua_isinteger(L, -1)) {
			reef_bson_element_fail(e, "__len should return integer");
		}
		lua_Integer n = lua_tointeger(L, -1);
		lua_pop(L, 1);
		array_by_index(e, index, n);
		return REEF_BSON_ARRAY;
	}
	if (luaL_getmetafield(L, index, "__pairs") != LUA_TNIL) {
		lua_pushvalue(L, index);
		lua_call(L, 1, 3);
		iterated_document(e);
		return REEF_BSON_DOCUMENT;
	}
	return 0;
}

static int body(struct reef_bson_encoder *e, int index, bool top) {
	lua_State *L = e->L;
	int type = body_by_metatable(e, index, top);
	if (type != 0) {
		return type;
	}
	lua_pushnil(L);
	if (lua_next(L, index) == 0) {
		reef_bson_element_end(e, reef_bson_element_begin(e));
		return REEF_BSON_DOCUMENT;
	}
	if (!top && lua_isinteger(L, -2)) {
		lua_Integer first = lua_tointeger(L, -2);
		lua_Integer n = (lua_Integer)lua_rawlen(L, index);
		if (first == 1 || (first > 0 && first <= n)) {
			lua_pop(L, 2);
			encode_array(e, index, n);
			return REEF_BSON_ARRAY;
		}
	}
	plain_document(e, index);
	return REEF_BSON_DOCUMENT;
}

/* ---- where the order of keys is meaning ---- */

/* The body of an ordered document from a list of pairs. */
static void pairs_of_list(struct reef_bson_encoder *e, int index, lua_Integer n) {
	lua_State *L = e->L;
	size_t start = reef_bson_element_begin(e);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, index, i);
		int element = lua_gettop(L);
		if (!reef_bson_order_push_pair(L, element)) {
			e->at.depth--;
			reef_bson_element_fail(
					e, lua_pushfstring(L, "element %d of the list is no pair of a name and a value", (int)i));
		}
		pair(e);
		lua_settop(L, element - 1);
	}
	reef_bson_element_end(e, start);
}

#define NO_ORDER                                                                                                       \
	"a plain table of several keys has no order: use bson.document, or a list of pairs { { \"a\", 1 }, { \"b\", -1 } " \
	"},"

/* The table's body where order is meaning. */
static void body_in_order(struct reef_bson_encoder *e, int index) {
	lua_Integer n = (lua_Integer)lua_rawlen(e->L, index);
	if (n == 0) {
		e->at.depth--;
		if (!reef_bson_order_is_known(e->L, index)) {
			reef_bson_element_fail(e, NO_ORDER);
		}
		e->at.depth++;
		(void)body(e, index, true);
	} else {
		pairs_of_list(e, index, n);
	}
}

static void encode_table(struct reef_bson_encoder *e, int index) {
	bool in_order = reef_bson_order_matters(e->L, &e->at);
	size_t type = e->w->size;
	reef_bson_element_add(e, REEF_BSON_DOCUMENT, 0);
	reef_bson_element_enter(e);
	uint8_t is = REEF_BSON_DOCUMENT;
	if (in_order) {
		body_in_order(e, index);
	} else {
		is = (uint8_t)body(e, index, false);
	}
	reef_bson_element_leave(e);
	e->w->data[type] = is;
}

static void encode_value(struct reef_bson_encoder *e, int index) {
	lua_State *L = e->L;
	size_t size = 0;
	int type = lua_type(L, index);
	switch (type) {
	case LUA_TNUMBER:
		reef_bson_element_number(e, index);
		break;
	case LUA_TSTRING: {
		const char *s = lua_tolstring(L, index, &size);
		if (size >= 2 && s[0] == 0) {
			reef_bson_element_tagged(e, s, size);
		} else {
			reef_bson_element_string(e, s, size);
		}
		break;
	}
	case LUA_TBOOLEAN:
		reef_bson_element_add(e, REEF_BSON_BOOLEAN, 1)[0] = (uint8_t)lua_toboolean(L, index);
		break;
	case LUA_TTABLE:
		encode_table(e, index);
		break;
	case LUA_TLIGHTUSERDATA: {
		const uint8_t *data = lua_touserdata(L, index);
		reef_bson_element_document(e, data, reef_get32(data));
		break;
	}
	default: {
		const uint8_t *data = type == LUA_TUSERDATA ? reef_bson_object_to(L, index, &size) : NULL;
		if (data == NULL) {
			lua_pushfstring(L, "Invalid value type : %s", lua_typename(L, type));
			reef_bson_element_fail(e, lua_tostring(L, -1));
		}
		reef_bson_element_document(e, data, size);
	}
	}
}

/* ---- what others call ---- */

static void encode_begin(struct reef_bson_encoder *e, lua_State *L, struct reef_writer *w,
						 enum reef_bson_purpose purpose) {
	e->L = L;
	e->w = w;
	e->at.root = 0;
	e->at.first = NULL;
	e->at.depth = 0;
	e->at.purpose = purpose;
	reef_bson_element_enter(e);
}

void reef_bson_encode(lua_State *L, int index, struct reef_writer *w, enum reef_bson_purpose purpose) {
	struct reef_bson_encoder e;
	size_t size;
	encode_begin(&e, L, w, purpose);
	index = lua_absindex(L, index);
	const uint8_t *data = reef_bson_object_to(L, index, &size);
	if (data == NULL && lua_islightuserdata(L, index)) {
		data = lua_touserdata(L, index);
		size = reef_get32(data);
	}
	if (data != NULL) {
		memcpy(reef_bson_element_room(&e, size), data, size);
	} else if (lua_istable(L, index)) {
		e.at.root = index;
		body(&e, index, true);
	} else {
		luaL_typeerror(L, index, "table or bson object");
	}
}

void reef_bson_encode_element(lua_State *L, const char *key, size_t key_size, int index, struct reef_writer *w) {
	struct reef_bson_encoder e;
	encode_begin(&e, L, w, REEF_BSON_DATA);
	reef_bson_element_check_key(&e, key, key_size);
	encode_value(&e, lua_absindex(L, index));
}

/* A key at -2 and its value at -1, the n-th pair of an ordered dict. */
static void listed_pair(struct reef_bson_encoder *e, int n) {
	lua_State *L = e->L;
	int type = lua_type(L, -2);
	if (type != LUA_TSTRING && type != LUA_TNUMBER) {
		luaL_error(L, "Invalid ordered dict: key %d is a %s", n, luaL_typename(L, -2));
	}
	size_t size;
	const char *key = lua_tolstring(L, -2, &size);
	reef_bson_element_check_key(e, key, size);
	encode_value(e, lua_gettop(L));
}

void reef_bson_encode_pairs(lua_State *L, int first, int last, struct reef_writer *w) {
	struct reef_bson_encoder e;
	encode_begin(&e, L, w, REEF_BSON_ANYTHING);
	e.at.first = first <= last && lua_type(L, first) == LUA_TSTRING ? lua_tostring(L, first) : NULL;
	if ((last - first + 1) % 2 != 0) {
		luaL_error(L, "Invalid ordered dict");
	}
	size_t offset = reef_bson_element_begin(&e);
	for (int i = first; i < last; i += 2) {
		lua_pushvalue(L, i);
		lua_pushvalue(L, i + 1);
		listed_pair(&e, (i - first) / 2 + 1);
		lua_pop(L, 2);
	}
	reef_bson_element_end(&e, offset);
}

void reef_bson_encode_list(lua_State *L, int index, struct reef_writer *w) {
	struct reef_bson_encoder e;
	encode_begin(&e, L, w, REEF_BSON_ANYTHING);
	e.at.first = lua_rawgeti(L, index, 1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
	lua_pop(L, 1);
	int n = (int)lua_rawlen(L, index);
	if (n % 2 != 0) {
		luaL_error(L, "Invalid ordered dict");
	}
	size_t offset = reef_bson_element_begin(&e);
	for (int i = 1; i < n; i += 2) {
		lua_rawgeti(L, index, i);
		lua_rawgeti(L, index, i + 1);
		listed_pair(&e, i / 2 + 1);
		lua_pop(L, 2);
	}
	reef_bson_element_end(&e, offset);
}
