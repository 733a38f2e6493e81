/* See encode_table.h. */
#include "encode_table.h"

#include <lauxlib.h>

#include "counter.h"
#include "sharetable/overlay/each.h"
#include "tables.h"

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
	reef_bson_encode_value(e, lua_gettop(L));
}

/* The key that was found, and its value if that is no table or userdata. */
static bool encode_found(struct reef_bson_encoder *e, const struct reef_each_pair *found) {
	reef_bson_element_check_key(e, found->key, found->key_size);
	switch (found->type) {
	case LUA_TNUMBER:
		if (found->is_integer) {
			reef_bson_element_integer(e, found->value.integer);
		} else {
			reef_bson_element_double(e, found->value.number);
		}
		return true;
	case LUA_TSTRING:
		reef_bson_encode_string(e, found->value.string.bytes, found->value.string.size);
		return true;
	case LUA_TBOOLEAN:
		reef_bson_element_boolean(e, found->value.boolean);
		return true;
	default:
		return false;
	}
}

/* Goes on with a plain table, behind the pair of which the key is on top of the stack, which is popped. */
static void plain_rest(struct reef_bson_encoder *e, int index) {
	while (lua_next(e->L, index) != 0) {
		pair(e);
		lua_pop(e->L, 1);
	}
}

/* A table whose first key and value are on the stack. */
static void mixed_document(struct reef_bson_encoder *e, int index) {
	size_t start = reef_bson_element_begin(e);
	pair(e);
	lua_pop(e->L, 1);
	plain_rest(e, index);
	reef_bson_element_end(e, start);
}

/* The value of the pair that was found last, with whatever its metamethods call. False: they have changed the table, of
 * which the rest was written then. */
static bool encode_inner(struct reef_bson_encoder *e, int index, const struct reef_each *each) {
	lua_State *L = e->L;
	reef_each_push(L, each);
	reef_bson_encode_value(e, lua_gettop(L));
	lua_pop(L, 1);
	if (!reef_each_is_same(each)) {
		plain_rest(e, index);
		return false;
	}
	lua_pop(L, 1);
	return true;
}

/* A table without places for a list, whose first pair was found. */
static void plain_document(struct reef_bson_encoder *e, int index, struct reef_each *each,
						   struct reef_each_pair *pair_found) {
	size_t start = reef_bson_element_begin(e);
	enum reef_each_found more = REEF_EACH_PAIR;
	while (more == REEF_EACH_PAIR) {
		bool same = encode_found(e, pair_found) || encode_inner(e, index, each);
		more = same ? reef_each_next(each, pair_found) : REEF_EACH_END;
	}
	if (more == REEF_EACH_OTHER_KEY) {
		reef_each_push(e->L, each);
		pair(e);
	}
	reef_bson_element_end(e, start);
}

/* The element at the top of the stack, whose number `c` says; popped. */
static void array_element(struct reef_bson_encoder *e, struct reef_bson_counter *c) {
	reef_bson_element_set_key(e, c->text + c->first, sizeof(c->text) - (size_t)c->first);
	if (lua_isnil(e->L, -1)) {
		reef_bson_element_fail(e, "Bson array has a hole (nil), Use bson.null instead");
	}
	reef_bson_encode_value(e, lua_gettop(e->L));
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
		reef_bson_encode_value(e, key + 1);
		lua_settop(L, key);
		reef_bson_counter_next(&c);
	}
	reef_bson_element_end(e, start);
}

static void ordered_document(struct reef_bson_encoder *e, int index) {
	lua_State *L = e->L;
	size_t start = reef_bson_element_begin(e);
	bool is_known = lua_rawgetp(L, index, &reef_bson_tables_order) == LUA_TTABLE;
	lua_Integer n = is_known ? (lua_Integer)lua_rawlen(L, -1) : 0;
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

int reef_bson_encode_body(struct reef_bson_encoder *e, int index, bool top) {
	lua_State *L = e->L;
	int type = body_by_metatable(e, index, top);
	if (type != 0) {
		return type;
	}
	struct reef_each each;
	struct reef_each_pair found;
	if (reef_each_begin(&each, lua_topointer(L, index)) && reef_each_next(&each, &found) == REEF_EACH_PAIR) {
		plain_document(e, index, &each, &found);
		return REEF_BSON_DOCUMENT;
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
	mixed_document(e, index);
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
		(void)reef_bson_encode_body(e, index, true);
	} else {
		pairs_of_list(e, index, n);
	}
}

void reef_bson_encode_table(struct reef_bson_encoder *e, int index) {
	bool in_order = reef_bson_order_matters(e->L, &e->at);
	size_t type = e->w->size;
	reef_bson_element_add(e, REEF_BSON_DOCUMENT, 0);
	reef_bson_element_enter(e);
	uint8_t is = REEF_BSON_DOCUMENT;
	if (in_order) {
		body_in_order(e, index);
	} else {
		is = (uint8_t)reef_bson_encode_body(e, index, false);
	}
	reef_bson_element_leave(e);
	reef_bson_element_has(e, type + 1);
	e->w->data[type] = is;
}
