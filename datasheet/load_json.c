/* JSON, parsed by jansson: RFC 8259 with UTF-8 checked, no key twice in an object, integers of 64 bits. What is good mostly
 * needs no jansson (load_json_fast.h).
 *
 * jansson keeps no places, but it keeps the order of keys. So a value is found again by counting: the key or value that
 * comes n-th in a walk over the parsed tree is the n-th token in the text that is not punctuation.
 */
#include "load_json.h"

#include <stdbool.h>
#include <stdint.h>
#include <string.h>

#include <jansson.h>
#include <lauxlib.h>

#include "load.h"
#include "load_json_fast.h"
#include "place.h"

#define FLAGS (JSON_REJECT_DUPLICATES | JSON_DECODE_ANY | JSON_ALLOW_NUL)

/* Where the walk is: how many keys and values it has seen, and how many of them the text's reader has passed. */
struct walk {
	json_t *root;
	size_t seen, passed;
	struct reef_place place;
	const char *next, *end; /* the first byte behind the last token that was passed */
	int results;            /* the table of problems or places */
};

/* Moves to the token that the walk has just seen. The text is known to be good. */
static void find_last_seen(struct walk *walk) {
	const char *p = walk->next, *token = p;
	while (walk->passed < walk->seen && p < walk->end) {
		while (p < walk->end && strchr(" \t\r\n,:]}", *p))
			p++;
		token = p;
		if (*p == '"') {
			for (p++; p < walk->end && *p != '"'; p++)
				p += *p == '\\';
			p++;
		} else if (*p == '{' || *p == '[') {
			p++;
		} else {
			while (p < walk->end && !strchr(" \t\r\n,:]}", *p))
				p++;
		}
		walk->passed++;
	}
	walk->next = p;
	reef_place_move(&walk->place, token);
}

static void problem(lua_State *L, struct walk *walk, const char *message) {
	find_last_seen(walk);
	lua_pushstring(L, message);
	reef_load_problem(L, walk->results, walk->place.line, walk->place.column);
}

static void push_json_value(lua_State *L, struct walk *walk, json_t *value, int depth) {
	walk->seen++;
	luaL_checkstack(L, 8, "JSON");
	if ((json_is_array(value) || json_is_object(value)) && depth >= REEF_LOAD_MAX_DEPTH)
		luaL_error(L, "values are nested deeper than %d levels", REEF_LOAD_MAX_DEPTH);
	switch (json_typeof(value)) {
	case JSON_OBJECT: {
		lua_createtable(L, 0, (int)json_object_size(value));
		void *i = json_object_iter(value);
		for (; i != NULL; i = json_object_iter_next(value, i)) {
			walk->seen++;
			lua_pushlstring(L, json_object_iter_key(i), json_object_iter_key_len(i));
			push_json_value(L, walk, json_object_iter_value(i), depth + 1);
			lua_rawset(L, -3);
		}
		break;
	}
	case JSON_ARRAY: {
		size_t n = json_array_size(value);
		lua_createtable(L, (int)n, 0);
		for (size_t i = 0; i < n; i++) {
			push_json_value(L, walk, json_array_get(value, i), depth + 1);
			if (lua_isnil(L, -1))
				problem(L, walk, "a list cannot contain null");
			lua_rawseti(L, -2, (lua_Integer)i + 1);
		}
		break;
	}
	case JSON_STRING:
		lua_pushlstring(L, json_string_value(value), json_string_length(value));
		break;
	case JSON_INTEGER:
		lua_pushinteger(L, json_integer_value(value));
		break;
	case JSON_REAL:
		lua_pushnumber(L, json_real_value(value));
		break;
	case JSON_TRUE:
	case JSON_FALSE:
		lua_pushboolean(L, json_is_true(value));
		break;
	case JSON_NULL:
		lua_pushnil(L);
		break;
	}
}

/* What jansson calls the text that it does not like: `what near 'text'`. Empty when it is long. */
static const char *culprit(lua_State *L, const json_error_t *error) {
	const char *near = strstr(error->text, " near '");
	size_t n = near ? strlen(near + 7) : 0;
	return n == 0 ? "" : lua_pushlstring(L, near + 7, n - 1);
}

/* Adds the problem that jansson has found. It stands behind the culprit then. */
static void add_syntax_error(lua_State *L, const json_error_t *error, const char *text, size_t n, int problems) {
	const char *what = culprit(L, error);
	size_t position = error->position > 0 ? (size_t)error->position : 0, back = strlen(what);
	enum json_error_code code = json_error_code(error);
	if (back == 0 && code != json_error_premature_end_of_input)
		back = 1;
	position = position > back ? position - back : 0;
	struct reef_place place;
	reef_place_init(&place, text);
	reef_place_move(&place, text + (position < n ? position : n));
	if (code == json_error_end_of_input_expected)
		lua_pushliteral(L, "something follows the end of the value");
	else if (code == json_error_premature_end_of_input)
		lua_pushliteral(L, "the file ends too early");
	else if (code == json_error_duplicate_key)
		lua_pushfstring(L, "the key %s appears twice in one object", what);
	else if (code == json_error_numeric_overflow)
		lua_pushfstring(L, strpbrk(what, ".eE") ? "%s is too large" : "%s does not fit in 64 bits",
						*what ? what : "a number");
	else if (code == json_error_stack_overflow)
		lua_pushfstring(L, "values are nested deeper than %d levels", REEF_LOAD_MAX_DEPTH);
	else
		lua_pushstring(L, error->text);
	reef_load_problem(L, problems, place.line, place.column);
}

/* (walk, problems) -> value; protected, so that the tree is freed whatever happens */
static int push_json(lua_State *L) {
	struct walk *walk = lua_touserdata(L, 1);
	walk->results = 2;
	push_json_value(L, walk, walk->root, 0);
	return 1;
}

static void walk_init(struct walk *walk, json_t *root, const char *text, size_t n) {
	*walk = (struct walk){.root = root, .next = text, .end = text + n};
	reef_place_init(&walk->place, text);
}

int reef_load_json_careful(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	lua_settop(L, 1);
	lua_newtable(L);
	json_error_t error;
	json_t *root = json_loadb(text, n, FLAGS, &error);
	if (root == NULL) {
		add_syntax_error(L, &error, text, n, 2);
		lua_settop(L, 2);
		lua_pushnil(L);
		lua_insert(L, 2);
		return 2;
	}
	struct walk walk;
	walk_init(&walk, root, text, n);
	lua_pushcfunction(L, push_json);
	lua_pushlightuserdata(L, &walk);
	lua_pushvalue(L, 2);
	int status = lua_pcall(L, 2, 1, 0);
	json_decref(root);
	if (status == LUA_ERRMEM)
		return lua_error(L);
	if (status != LUA_OK) {
		find_last_seen(&walk);
		reef_load_problem(L, 2, walk.place.line, walk.place.column);
		lua_pushnil(L);
	} else if (lua_isnil(L, -1)) {
		lua_pushliteral(L, "null is not a sheet");
		reef_load_problem(L, 2, 1, 1);
	}
	lua_insert(L, 2);
	lua_settop(L, lua_rawlen(L, 3) == 0 ? 2 : 3);
	return lua_gettop(L) - 1;
}

int reef_load_json(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	return reef_load_json_fast(L, text, n) ? 1 : reef_load_json_careful(L);
}

static void skip(struct walk *walk, json_t *value) {
	walk->seen++;
	for (void *i = json_object_iter(value); i != NULL; i = json_object_iter_next(value, i)) {
		walk->seen++;
		skip(walk, json_object_iter_value(i));
	}
	for (size_t i = 0; i < json_array_size(value); i++)
		skip(walk, json_array_get(value, i));
}

/* The node of the tree is on top of the stack. */
static void find_json_place(lua_State *L, struct walk *walk, json_t *value) {
	int node = lua_gettop(L);
	if (lua_isnil(L, node)) {
		skip(walk, value);
		return;
	}
	luaL_checkstack(L, 8, "JSON");
	walk->seen++;
	lua_Integer at = reef_load_asked(L);
	if (at != 0) {
		find_last_seen(walk);
		reef_load_place(L, walk->results, at, walk->place.line, walk->place.column);
	}
	for (void *i = json_object_iter(value); i != NULL; i = json_object_iter_next(value, i)) {
		walk->seen++;
		lua_pushlstring(L, json_object_iter_key(i), json_object_iter_key_len(i));
		lua_pushvalue(L, node);
		reef_load_child(L, node + 1);
		find_json_place(L, walk, json_object_iter_value(i));
		lua_settop(L, node);
	}
	for (size_t i = 0; i < json_array_size(value); i++) {
		lua_pushinteger(L, (lua_Integer)i + 1);
		lua_pushvalue(L, node);
		reef_load_child(L, node + 1);
		find_json_place(L, walk, json_array_get(value, i));
		lua_settop(L, node);
	}
}

/* (walk, tree, places) */
static int find_json_places(lua_State *L) {
	struct walk *walk = lua_touserdata(L, 1);
	walk->results = 3;
	lua_pushvalue(L, 2);
	find_json_place(L, walk, walk->root);
	return 0;
}

int reef_load_json_places(lua_State *L) {
	size_t n;
	const char *text = luaL_checklstring(L, 1, &n);
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 2);
	lua_newtable(L);
	json_error_t error;
	json_t *root = json_loadb(text, n, FLAGS, &error);
	if (root == NULL)
		return 1;
	struct walk walk;
	walk_init(&walk, root, text, n);
	lua_pushcfunction(L, find_json_places);
	lua_pushlightuserdata(L, &walk);
	lua_pushvalue(L, 2);
	lua_pushvalue(L, 3);
	int status = lua_pcall(L, 3, 0, 0);
	json_decref(root);
	if (status != LUA_OK)
		return lua_error(L);
	return 1;
}
