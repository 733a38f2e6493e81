/* Lua tables to BSON bytes, in one walk straight into the writer.
 *
 * The keys on the way down are remembered so that an error can name where it is; they stay on the Lua stack while their
 * values are written, so pointers are enough. Which table is an array and which a document is the contract's rule: see
 * `table`.
 */
#include "bson.h"

#include <lauxlib.h>

struct step {
	const char *key;
	size_t size;
};

struct encoder {
	lua_State *L;
	struct reef_writer *w;
	int root;          /* on the stack: the table that is the whole; 0: there is none */
	const char *first; /* of a list of keys and values, if it is a string; else NULL */
	int depth;
	enum reef_bson_purpose purpose;
	struct step path[REEF_BSON_DEPTH + 1];
};

static void value(struct encoder *e, int index);

static int fail(struct encoder *e, const char *text) {
	luaL_Buffer b;
	luaL_buffinit(e->L, &b);
	luaL_addstring(&b, text);
	for (int i = 1; i <= e->depth; i++) {
		luaL_addstring(&b, i == 1 ? " in '" : ".");
		luaL_addlstring(&b, e->path[i].key, e->path[i].size);
	}
	if (e->depth > 0) {
		luaL_addchar(&b, '\'');
	}
	luaL_pushresult(&b);
	return lua_error(e->L);
}

static uint8_t *room(struct encoder *e, size_t n) {
	uint8_t *p = reef_writer_add(e->w, n);
	if (p == NULL) {
		fail(e, "Bson document too large or out of memory");
	}
	return p;
}

static void set_key(struct encoder *e, const char *key, size_t size) {
	e->path[e->depth] = (struct step){key, size};
}

/* Type and key of an element, and the place for `payload` bytes behind them. */
static uint8_t *element(struct encoder *e, uint8_t type, size_t payload) {
	const struct step *step = &e->path[e->depth];
	uint8_t *p = room(e, 1 + step->size + 1 + payload);
	p[0] = type;
	memcpy(p + 1, step->key, step->size);
	p[1 + step->size] = 0;
	return p + 1 + step->size + 1;
}

static size_t begin(struct encoder *e) {
	size_t start = e->w->size;
	room(e, 4);
	return start;
}

static void end(struct encoder *e, size_t start) {
	room(e, 1)[0] = 0;
	if (e->w->size - start > REEF_BSON_SIZE) {
		fail(e, "Bson document too large");
	}
	reef_put32(e->w->data + start, (uint32_t)(e->w->size - start));
}

static void enter(struct encoder *e) {
	if (e->depth == REEF_BSON_DEPTH) {
		fail(e, "Too depth while encoding bson");
	}
	luaL_checkstack(e->L, 12, "bson");
	e->depth++;
	set_key(e, "", 0);
}

static void leave(struct encoder *e) {
	e->depth--;
}

/* ---- scalars ---- */

static void number(struct encoder *e, int index) {
	if (!lua_isinteger(e->L, index)) {
		lua_Number d = lua_tonumber(e->L, index);
		uint64_t bits;
		memcpy(&bits, &d, 8);
		reef_put64(element(e, REEF_BSON_DOUBLE, 8), bits);
		return;
	}
	lua_Integer i = lua_tointeger(e->L, index);
	if (i >= INT32_MIN && i <= INT32_MAX) {
		reef_put32(element(e, REEF_BSON_INT32, 4), (uint32_t)i);
	} else {
		reef_put64(element(e, REEF_BSON_INT64, 8), (uint64_t)i);
	}
}

static void string(struct encoder *e, const char *s, size_t size) {
	if (!reef_utf8_valid(s, size)) {
		fail(e, "Invalid utf8 string");
	}
	if (size >= REEF_BSON_SIZE - 5) {
		fail(e, "Bson document too large");
	}
	uint8_t *p = element(e, REEF_BSON_STRING, 4 + size + 1);
	reef_put32(p, (uint32_t)size + 1);
	memcpy(p + 4, s, size);
	p[4 + size] = 0;
}

static void binary(struct encoder *e, const char *s, size_t size) {
	if (size < 1) {
		fail(e, "Invalid binary");
	}
	uint8_t subtype = (uint8_t)s[0];
	uint32_t n = (uint32_t)size - 1;
	uint32_t inner = subtype == 2 ? 4 : 0;
	uint8_t *p = element(e, REEF_BSON_BINARY, 5 + inner + n);
	reef_put32(p, n + inner);
	p[4] = subtype;
	if (inner > 0) {
		reef_put32(p + 5, n);
	}
	memcpy(p + 5 + inner, s + 1, n);
}

static void date(struct encoder *e, const char *s, size_t size) {
	const uint8_t *bytes = (const uint8_t *)s;
	if (size == 4) {
		reef_put64(element(e, REEF_BSON_DATE, 8), (uint64_t)((int64_t)(int32_t)reef_get32(bytes) * 1000));
	} else if (size == 8) {
		memcpy(element(e, REEF_BSON_DATE, 8), s, 8);
	} else {
		fail(e, "Invalid date");
	}
}

/* Payloads that are kept as the format has them. */
static void raw(struct encoder *e, uint8_t type, const char *s, size_t size) {
	size_t need;
	const char *error;
	if (!reef_bson_payload(type, (const uint8_t *)s, size, e->depth, &need, &error)) {
		fail(e, error);
	}
	if (need != size) {
		fail(e, "Bytes after the value");
	}
	uint8_t *p = element(e, type, size);
	if (size > 0) {
		memcpy(p, s, size);
	}
	if (type == REEF_BSON_REGEX) {
		size_t flags = strlen(s) + 1;
		reef_bson_sort_flags((char *)p + flags, size - flags - 1);
	}
}

static void tagged(struct encoder *e, const char *s, size_t size) {
	uint8_t type = (uint8_t)s[1];
	s += 2;
	size -= 2;
	switch (type) {
	case REEF_BSON_STRING:
		string(e, s, size);
		break;
	case REEF_BSON_BINARY:
		binary(e, s, size);
		break;
	case REEF_BSON_DATE:
		date(e, s, size);
		break;
	case REEF_BSON_UNDEFINED:
	case REEF_BSON_OBJECTID:
	case REEF_BSON_NULL:
	case REEF_BSON_REGEX:
	case REEF_BSON_DBPOINTER:
	case REEF_BSON_CODE:
	case REEF_BSON_SYMBOL:
	case REEF_BSON_CODE_SCOPE:
	case REEF_BSON_TIMESTAMP:
	case REEF_BSON_INT64:
	case REEF_BSON_DECIMAL128:
	case REEF_BSON_MINKEY:
	case REEF_BSON_MAXKEY:
		raw(e, type, s, size);
		break;
	default:
		lua_pushfstring(e->L, "Invalid subtype %d", (int)type);
		fail(e, lua_tostring(e->L, -1));
	}
}

static void embed(struct encoder *e, const uint8_t *data, size_t size) {
	memcpy(element(e, REEF_BSON_DOCUMENT, size), data, size);
}

/* ---- documents and arrays ---- */

static void check_key(struct encoder *e, const char *key, size_t size) {
	set_key(e, key, size);
	for (size_t i = 0; i < size; i++) {
		/* Neither NUL nor beyond ASCII. */
		if ((uint8_t)(key[i] - 1) < 0x7f) {
			continue;
		}
		if (key[i] == 0) {
			fail(e, "Bson key with a NUL");
		}
		if (!reef_utf8_valid(key + i, size - i) || memchr(key + i, 0, size - i) != NULL) {
			fail(e, "Invalid utf8 string as key");
		}
		return;
	}
}

/* The key at -2 with its value at -1. */
static void pair(struct encoder *e) {
	lua_State *L = e->L;
	int type = lua_type(L, -2);
	if (type != LUA_TSTRING) {
		if (type == LUA_TNUMBER) {
			fail(e, "Bson dictionary's key can't be number");
		}
		lua_pushfstring(L, "Invalid key type : %s", lua_typename(L, type));
		fail(e, lua_tostring(L, -1));
	}
	size_t size;
	const char *key = lua_tolstring(L, -2, &size);
	check_key(e, key, size);
	value(e, lua_gettop(L));
}

/* Goes on with a plain table whose first key and value are on the stack. */
static void plain_document(struct encoder *e, int index) {
	size_t start = begin(e);
	do {
		pair(e);
		lua_pop(e->L, 1);
	} while (lua_next(e->L, index) != 0);
	end(e, start);
}

static void empty_document(struct encoder *e) {
	end(e, begin(e));
}

/* Decimal text of an array index, counted up in place. */
struct counter {
	char text[20];
	int first;
};

static void counter_start(struct counter *c) {
	c->first = (int)sizeof(c->text) - 1;
	c->text[c->first] = '0';
}

static void counter_next(struct counter *c) {
	int i = (int)sizeof(c->text) - 1;
	while (i >= c->first && c->text[i] == '9') {
		c->text[i--] = '0';
	}
	if (i < c->first) {
		c->text[--c->first] = '1';
	} else {
		c->text[i]++;
	}
}

/* The element at the top of the stack, whose number `c` says; popped. */
static void array_element(struct encoder *e, struct counter *c) {
	set_key(e, c->text + c->first, sizeof(c->text) - (size_t)c->first);
	if (lua_isnil(e->L, -1)) {
		fail(e, "Bson array has a hole (nil), Use bson.null instead");
	}
	value(e, lua_gettop(e->L));
	lua_pop(e->L, 1);
	counter_next(c);
}

/* Elements 1 to n as __len and __index say. */
static void array_by_index(struct encoder *e, int index, lua_Integer n) {
	struct counter c;
	size_t start = begin(e);
	counter_start(&c);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_geti(e->L, index, i);
		array_element(e, &c);
	}
	end(e, start);
}

/* Is there an element behind a hole? Names are passed over: tables that table.pack makes have one. */
static void check_dense(struct encoder *e, int index, lua_Integer n) {
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
			e->depth--;
			fail(e, lua_tostring(L, -1));
		}
	}
}

/* A table whose keys are 1 to n. Most often iteration goes through them in order, and then nothing else is there. */
static void array(struct encoder *e, int index, lua_Integer n) {
	lua_State *L = e->L;
	struct counter c;
	size_t start = begin(e);
	lua_Integer i = 0;
	int key = lua_gettop(L) + 1;
	counter_start(&c);
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
		set_key(e, c.text + c.first, sizeof(c.text) - (size_t)c.first);
		value(e, key + 1);
		lua_settop(L, key);
		counter_next(&c);
	}
	end(e, start);
}

static void ordered_document(struct encoder *e, int index) {
	lua_State *L = e->L;
	size_t start = begin(e);
	lua_rawgetp(L, index, &reef_bson_order);
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
	end(e, start);
}

/* The iterator function and its two values are on the stack, and are popped. */
static void iterated_document(struct encoder *e) {
	lua_State *L = e->L;
	int base = lua_gettop(L) - 2;
	size_t start = begin(e);
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
	end(e, start);
}

/* Writes the table's body if its metatable decides what it is; answers the type, or 0. */
static int body_by_metatable(struct encoder *e, int index, bool top) {
	lua_State *L = e->L;
	if (!lua_getmetatable(L, index)) {
		return 0;
	}
	reef_bson_push_array_mt(L);
	bool is_array = lua_rawequal(L, -1, -2);
	reef_bson_push_document_mt(L);
	bool is_ordered = lua_rawequal(L, -1, -3);
	lua_pop(L, 3);
	if (is_ordered) {
		ordered_document(e, index);
		return REEF_BSON_DOCUMENT;
	}
	if (is_array && !top) {
		array(e, index, (lua_Integer)lua_rawlen(L, index));
		return REEF_BSON_ARRAY;
	}
	if (!top && luaL_getmetafield(L, index, "__len") != LUA_TNIL) {
		lua_pushvalue(L, index);
		lua_call(L, 1, 1);
		if (!lua_isinteger(L, -1)) {
			fail(e, "__len should return integer");
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

static int body(struct encoder *e, int index, bool top) {
	lua_State *L = e->L;
	int type = body_by_metatable(e, index, top);
	if (type != 0) {
		return type;
	}
	lua_pushnil(L);
	if (lua_next(L, index) == 0) {
		empty_document(e);
		return REEF_BSON_DOCUMENT;
	}
	if (!top && lua_isinteger(L, -2)) {
		lua_Integer first = lua_tointeger(L, -2);
		lua_Integer n = (lua_Integer)lua_rawlen(L, index);
		if (first == 1 || (first > 0 && first <= n)) {
			lua_pop(L, 2);
			array(e, index, n);
			return REEF_BSON_ARRAY;
		}
	}
	plain_document(e, index);
	return REEF_BSON_DOCUMENT;
}

/* ---- where the order of keys is meaning ---- */

#define NO_ORDER                                                                                                       \
	"a plain table of several keys has no order: use bson.document, or a list of pairs { { \"a\", 1 }, { \"b\", -1 } " \
	"},"

static bool is_step(const struct encoder *e, int depth, const char *key) {
	return e->path[depth].size == strlen(key) && memcmp(e->path[depth].key, key, e->path[depth].size) == 0;
}

/* Does the table that is the whole have the key, with a value of that type? */
static bool root_has(const struct encoder *e, const char *key, int type) {
	lua_pushstring(e->L, key);
	bool has = lua_rawget(e->L, e->root) == type;
	lua_pop(e->L, 1);
	return has;
}

/* Is it the name of a command that takes sort, hint, min, max or indexes? */
static bool is_command_name(const char *key) {
	static const char *const names[] = {"find",  "findAndModify", "findandmodify", "aggregate",
										"count", "distinct",      "createIndexes", "mapReduce"};
	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(key, names[i]) == 0) {
			return true;
		}
	}
	return false;
}

/* Is the whole a command, or one of its statements, rather than data? */
static bool is_command(const struct encoder *e) {
	if (e->root == 0) {
		return e->first != NULL && is_command_name(e->first);
	}
	return root_has(e, "find", LUA_TSTRING) || root_has(e, "findAndModify", LUA_TSTRING) ||
		   root_has(e, "findandmodify", LUA_TSTRING) || root_has(e, "createIndexes", LUA_TSTRING) ||
		   (root_has(e, "aggregate", LUA_TSTRING) && root_has(e, "pipeline", LUA_TTABLE)) ||
		   (root_has(e, "q", LUA_TTABLE) && (root_has(e, "u", LUA_TTABLE) || root_has(e, "limit", LUA_TNUMBER))) ||
		   (root_has(e, "filter", LUA_TTABLE) &&
			(root_has(e, "updateMods", LUA_TTABLE) || root_has(e, "delete", LUA_TNUMBER)));
}

/* Has what is written at this key to be in order? */
static bool is_order(const struct encoder *e) {
	if (e->purpose == REEF_BSON_DATA) {
		return false;
	}
	switch (e->path[e->depth].size > 0 ? e->path[e->depth].key[0] : 0) {
	case '$':
		return is_step(e, e->depth, "$sort");
	case 's':
		return (e->depth == 1 && is_step(e, 1, "sort") && is_command(e)) ||
			   (e->depth > 1 && is_step(e, e->depth, "sortBy") && e->path[e->depth - 1].size > 0 &&
				e->path[e->depth - 1].key[0] == '$');
	case 'h':
		return e->depth == 1 && is_step(e, 1, "hint") && is_command(e);
	case 'm':
		return e->depth == 1 && (is_step(e, 1, "min") || is_step(e, 1, "max")) && is_command(e);
	case 'k':
		return e->depth == 3 && is_step(e, 3, "key") && is_step(e, 1, "indexes") && is_command(e);
	default:
		return false;
	}
}

/* Pushes key and value of what stands in a list of pairs: "a", { "a", 1 }, or { a = 1 }. */
static bool push_pair(lua_State *L, int index) {
	if (lua_type(L, index) == LUA_TSTRING) {
		lua_pushvalue(L, index);
		lua_pushinteger(L, 1);
		return true;
	}
	if (!lua_istable(L, index)) {
		return false;
	}
	if (lua_rawlen(L, index) == 2 && lua_rawgeti(L, index, 1) == LUA_TSTRING) {
		lua_rawgeti(L, index, 2);
		return true;
	}
	lua_settop(L, index);
	lua_pushnil(L);
	int found = 0;
	while (lua_next(L, index) != 0) {
		/* What a bson.document keeps in itself is no key. */
		if (lua_type(L, -2) == LUA_TSTRING) {
			lua_pushvalue(L, -2);
			lua_insert(L, index + 1 + 2 * found);
			lua_insert(L, index + 2 + 2 * found);
			found++;
		} else {
			lua_pop(L, 1);
		}
		if (found > 1) {
			return false;
		}
	}
	return found == 1;
}

/* The body of an ordered document from a list of pairs. */
static void pairs_of_list(struct encoder *e, int index, lua_Integer n) {
	lua_State *L = e->L;
	size_t start = begin(e);
	for (lua_Integer i = 1; i <= n; i++) {
		lua_rawgeti(L, index, i);
		int element = lua_gettop(L);
		if (!push_pair(L, element)) {
			e->depth--;
			fail(e, lua_pushfstring(L, "element %d of the list is no pair of a name and a value", (int)i));
		}
		pair(e);
		lua_settop(L, element - 1);
	}
	end(e, start);
}

/* Raises unless the table says itself in what order its keys are, or there is nothing to order. */
static void check_order(struct encoder *e, int index) {
	lua_State *L = e->L;
	if (lua_getmetatable(L, index)) {
		lua_pop(L, 1);
		if (luaL_getmetafield(L, index, "__pairs") != LUA_TNIL) {
			lua_pop(L, 1);
			return;
		}
	}
	lua_pushnil(L);
	if (lua_next(L, index) != 0) {
		lua_pop(L, 1);
		if (lua_next(L, index) != 0) {
			fail(e, NO_ORDER);
		}
	}
}

/* The table's body where order is meaning. */
static void body_in_order(struct encoder *e, int index) {
	lua_Integer n = (lua_Integer)lua_rawlen(e->L, index);
	if (n == 0) {
		e->depth--;
		check_order(e, index);
		e->depth++;
		(void)body(e, index, true);
	} else {
		pairs_of_list(e, index, n);
	}
}

static void table(struct encoder *e, int index) {
	bool in_order = is_order(e);
	size_t type = e->w->size;
	element(e, REEF_BSON_DOCUMENT, 0);
	enter(e);
	uint8_t is = REEF_BSON_DOCUMENT;
	if (in_order) {
		body_in_order(e, index);
	} else {
		is = (uint8_t)body(e, index, false);
	}
	leave(e);
	e->w->data[type] = is;
}

static void value(struct encoder *e, int index) {
	lua_State *L = e->L;
	size_t size = 0;
	int type = lua_type(L, index);
	switch (type) {
	case LUA_TNUMBER:
		number(e, index);
		break;
	case LUA_TSTRING: {
		const char *s = lua_tolstring(L, index, &size);
		if (size >= 2 && s[0] == 0) {
			tagged(e, s, size);
		} else {
			string(e, s, size);
		}
		break;
	}
	case LUA_TBOOLEAN:
		element(e, REEF_BSON_BOOLEAN, 1)[0] = (uint8_t)lua_toboolean(L, index);
		break;
	case LUA_TTABLE:
		table(e, index);
		break;
	case LUA_TLIGHTUSERDATA: {
		const uint8_t *data = lua_touserdata(L, index);
		embed(e, data, reef_get32(data));
		break;
	}
	default: {
		const uint8_t *data = type == LUA_TUSERDATA ? reef_bson_to_object(L, index, &size) : NULL;
		if (data == NULL) {
			lua_pushfstring(L, "Invalid value type : %s", lua_typename(L, type));
			fail(e, lua_tostring(L, -1));
		}
		embed(e, data, size);
	}
	}
}

/* ---- what others call ---- */

static void start(struct encoder *e, lua_State *L, struct reef_writer *w, enum reef_bson_purpose purpose) {
	e->L = L;
	e->w = w;
	e->root = 0;
	e->first = NULL;
	e->depth = 0;
	e->purpose = purpose;
	enter(e);
}

void reef_bson_encode(lua_State *L, int index, struct reef_writer *w, enum reef_bson_purpose purpose) {
	struct encoder e;
	size_t size;
	start(&e, L, w, purpose);
	index = lua_absindex(L, index);
	const uint8_t *data = reef_bson_to_object(L, index, &size);
	if (data == NULL && lua_islightuserdata(L, index)) {
		data = lua_touserdata(L, index);
		size = reef_get32(data);
	}
	if (data != NULL) {
		memcpy(room(&e, size), data, size);
	} else if (lua_istable(L, index)) {
		e.root = index;
		body(&e, index, true);
	} else {
		luaL_typeerror(L, index, "table or bson object");
	}
}

void reef_bson_encode_element(lua_State *L, const char *key, size_t key_size, int index, struct reef_writer *w) {
	struct encoder e;
	start(&e, L, w, REEF_BSON_DATA);
	check_key(&e, key, key_size);
	value(&e, lua_absindex(L, index));
}

/* A key at -2 and its value at -1, the n-th pair of an ordered dict. */
static void listed_pair(struct encoder *e, int n) {
	lua_State *L = e->L;
	int type = lua_type(L, -2);
	if (type != LUA_TSTRING && type != LUA_TNUMBER) {
		luaL_error(L, "Invalid ordered dict: key %d is a %s", n, luaL_typename(L, -2));
	}
	size_t size;
	const char *key = lua_tolstring(L, -2, &size);
	check_key(e, key, size);
	value(e, lua_gettop(L));
}

void reef_bson_encode_pairs(lua_State *L, int first, int last, struct reef_writer *w) {
	struct encoder e;
	start(&e, L, w, REEF_BSON_ANYTHING);
	e.first = first <= last && lua_type(L, first) == LUA_TSTRING ? lua_tostring(L, first) : NULL;
	if ((last - first + 1) % 2 != 0) {
		luaL_error(L, "Invalid ordered dict");
	}
	size_t offset = begin(&e);
	for (int i = first; i < last; i += 2) {
		lua_pushvalue(L, i);
		lua_pushvalue(L, i + 1);
		listed_pair(&e, (i - first) / 2 + 1);
		lua_pop(L, 2);
	}
	end(&e, offset);
}

void reef_bson_encode_list(lua_State *L, int index, struct reef_writer *w) {
	struct encoder e;
	start(&e, L, w, REEF_BSON_ANYTHING);
	e.first = lua_rawgeti(L, index, 1) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
	lua_pop(L, 1);
	int n = (int)lua_rawlen(L, index);
	if (n % 2 != 0) {
		luaL_error(L, "Invalid ordered dict");
	}
	size_t offset = begin(&e);
	for (int i = 1; i < n; i += 2) {
		lua_rawgeti(L, index, i);
		lua_rawgeti(L, index, i + 1);
		listed_pair(&e, i / 2 + 1);
		lua_pop(L, 2);
	}
	end(&e, offset);
}
