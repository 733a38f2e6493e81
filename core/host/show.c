/* Values as text: see show.h. Fields come in the order of their names, so that a line is found again. */
#include "show.h"

#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <lauxlib.h>

#include "core/redact.h"

#define DEEPEST 3
#define MOST_FIELDS 32
#define LONGEST 200 /* bytes of a string within a table */

static void add_value(lua_State *L, luaL_Buffer *b, int index, int depth);

/* Has the table what tostring uses? */
static bool has_text(lua_State *L, int index) {
	bool has = luaL_getmetafield(L, index, "__tostring") != LUA_TNIL;
	if (has)
		lua_pop(L, 1);
	return has;
}

struct field {
	const char *name;  /* NULL: a number */
	lua_Number number; /* not greater ones come first */
	int at;            /* of the key on the stack */
};

static int compare_fields(const void *a, const void *b) {
	const struct field *left = a, *right = b;
	if (left->name && right->name)
		return strcmp(left->name, right->name);
	if (left->name || right->name)
		return left->name ? 1 : -1;
	return (left->number > right->number) - (left->number < right->number);
}

/* Pushes the keys that are shown; those that are neither strings nor numbers are not. */
static int collect_fields(lua_State *L, int index, struct field *fields, bool *more) {
	int count = 0;
	lua_pushnil(L);
	while (lua_next(L, index)) {
		lua_pop(L, 1);
		int type = lua_type(L, -1);
		if (type != LUA_TSTRING && type != LUA_TNUMBER)
			continue;
		if (count == MOST_FIELDS) {
			*more = true;
			lua_pop(L, 1);
			break;
		}
		lua_pushvalue(L, -1);
		fields[count] = (struct field){.at = lua_gettop(L) - 1};
		if (type == LUA_TSTRING)
			fields[count].name = lua_tostring(L, -1);
		else
			fields[count].number = lua_tonumber(L, -1);
		count++;
	}
	qsort(fields, (size_t)count, sizeof *fields, compare_fields);
	return count;
}

static void push_text_of_table(lua_State *L, int index, int depth) {
	struct field fields[MOST_FIELDS];
	bool more = false;
	luaL_checkstack(L, MOST_FIELDS + 20, NULL);
	int top = lua_gettop(L), count = collect_fields(L, index, fields, &more);
	/* The buffer may use the stack, so each part is a value of its own. */
	lua_pushliteral(L, "{");
	for (int i = 0; i < count; i++) {
		luaL_Buffer b;
		lua_pushvalue(L, fields[i].at);
		lua_rawget(L, index);
		int value = lua_gettop(L);
		luaL_buffinit(L, &b);
		luaL_addstring(&b, i > 0 ? ", " : " ");
		if (fields[i].name) {
			luaL_addstring(&b, fields[i].name);
			luaL_addstring(&b, " = ");
		}
		if (fields[i].name && reef_redact_names_secret(fields[i].name, strlen(fields[i].name)))
			luaL_addstring(&b, "***");
		else
			add_value(L, &b, value, depth);
		luaL_pushresult(&b);
		lua_remove(L, value);
		lua_concat(L, 2);
	}
	lua_pushstring(L, more ? ", ... }" : count > 0 ? " }" : "}");
	lua_concat(L, 2);
	lua_insert(L, top + 1);
	lua_settop(L, top + 1);
}

static void add_value(lua_State *L, luaL_Buffer *b, int index, int depth) {
	size_t size;
	if (lua_type(L, index) == LUA_TTABLE && depth < DEEPEST && !has_text(L, index)) {
		push_text_of_table(L, index, depth + 1);
	} else if (lua_type(L, index) == LUA_TSTRING) {
		const char *text = lua_tolstring(L, index, &size);
		lua_pushfstring(L, "\"%s\"%s", lua_pushlstring(L, text, size > LONGEST ? LONGEST : size),
						size > LONGEST ? "..." : "");
		lua_remove(L, -2);
	} else {
		luaL_tolstring(L, index, NULL);
	}
	luaL_addvalue(b);
}

const char *reef_show(lua_State *L, int index, size_t *size) {
	index = lua_absindex(L, index);
	if (lua_type(L, index) == LUA_TTABLE && !has_text(L, index))
		push_text_of_table(L, index, 0);
	else
		luaL_tolstring(L, index, NULL);
	return lua_tolstring(L, -1, size);
}
