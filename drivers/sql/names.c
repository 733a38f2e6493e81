/* See names.h. The texts are kept beside the lists, so that a look at them makes no Lua strings. */
#include "names.h"

#include <lauxlib.h>
#include <stdbool.h>
#include <string.h>

#include "core/alloc.h"

static bool shape_is(const struct reef_sql_shape *shape, unsigned count, reef_sql_name_of name_of, const void *result) {
	const char *at = shape->bytes;
	if (count == 0 || shape->count != count)
		return false;
	for (unsigned i = 0; i < count; i++) {
		size_t size, kept;
		const char *name = name_of(result, i, &size);
		memcpy(&kept, at, sizeof kept);
		if (kept != size || memcmp(at + sizeof kept, name, size) != 0)
			return false;
		at += sizeof kept + size;
	}
	return true;
}

/* False: no memory. */
static bool shape_set(struct reef_sql_shape *shape, unsigned count, reef_sql_name_of name_of, const void *result) {
	size_t total = 1, size;
	for (unsigned i = 0; i < count; i++) {
		name_of(result, i, &size);
		total += sizeof size + size;
	}
	char *at = reef_try_realloc(shape->bytes, total);
	if (at == NULL)
		return false;
	*shape = (struct reef_sql_shape){.bytes = at, .size = total, .count = count};
	for (unsigned i = 0; i < count; i++) {
		const char *name = name_of(result, i, &size);
		memcpy(at, &size, sizeof size);
		memcpy(at + sizeof size, name, size);
		at += sizeof size + size;
	}
	return true;
}

static void names_push_new(lua_State *L, unsigned count, reef_sql_name_of name_of, const void *result) {
	lua_createtable(L, (int)count, 0);
	for (unsigned i = 0; i < count; i++) {
		size_t size;
		const char *name = name_of(result, i, &size);
		lua_pushlstring(L, name, size);
		lua_rawseti(L, -2, (lua_Integer)i + 1);
	}
}

/* Pushes the table of all lists. */
static void names_push_lists(lua_State *L, int index, int value) {
	if (lua_getiuservalue(L, index, value) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_createtable(L, REEF_SQL_SHAPES, 0);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, index, value);
}

void reef_sql_names_push(lua_State *L, struct reef_sql_names *names, int index, int value, unsigned count,
						 reef_sql_name_of name_of, const void *result) {
	for (unsigned i = 0; i < REEF_SQL_SHAPES; i++) {
		unsigned which = (names->last + i) % REEF_SQL_SHAPES;
		if (!shape_is(&names->shapes[which], count, name_of, result))
			continue;
		names->last = which;
		lua_getiuservalue(L, index, value);
		lua_rawgeti(L, -1, (lua_Integer)which + 1);
		lua_remove(L, -2);
		return;
	}
	unsigned which = names->next;
	names->shapes[which].count = 0; /* nothing is found here until its list is another */
	names_push_lists(L, index, value);
	names_push_new(L, count, name_of, result);
	lua_pushvalue(L, -1);
	lua_rawseti(L, -3, (lua_Integer)which + 1);
	lua_remove(L, -2);
	/* Last of all, since it says that the list is there. */
	if (!shape_set(&names->shapes[which], count, name_of, result))
		luaL_error(L, "sql: out of memory for the names of %d columns", (int)count);
	names->last = which;
	names->next = (which + 1) % REEF_SQL_SHAPES;
}

void reef_sql_names_fini(struct reef_sql_names *names) {
	for (unsigned i = 0; i < REEF_SQL_SHAPES; i++)
		reef_free(names->shapes[i].bytes);
	*names = (struct reef_sql_names){.last = 0};
}
