/* See names.h. The texts are kept beside the lists, so that a look at them makes no Lua strings. Names that come twice, or are longer
 * than short strings, have no model: there `row` is NULL, and values go in by their names. */
#include "names.h"

#include <lauxlib.h>
#include <string.h>

#include "core/alloc.h"
#include "sharetable/overlay/model.h"

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
	shape->bytes = at;
	shape->count = count;
	for (unsigned i = 0; i < count; i++) {
		const char *name = name_of(result, i, &size);
		memcpy(at, &size, sizeof size);
		memcpy(at + sizeof size, name, size);
		at += sizeof size + size;
	}
	return true;
}

/* Pushes a model of rows with the names of the list on the top, or nil. */
static void shape_push_model(lua_State *L, struct reef_sql_shape *shape, unsigned count) {
	int list = lua_gettop(L);
	shape->model = NULL;
	if (count > shape->places_room) {
		int *places = reef_try_realloc(shape->places, count * sizeof *places);
		if (places == NULL)
			luaL_error(L, "sql: out of memory for the names of %d columns", (int)count);
		shape->places = places;
		shape->places_room = count;
	}
	lua_createtable(L, 0, (int)count);
	bool fits = count > 0;
	for (unsigned i = 0; i < count && fits; i++) {
		lua_rawgeti(L, list, (lua_Integer)i + 1);
		lua_pushvalue(L, -1);
		fits = lua_rawget(L, -3) == LUA_TNIL;
		lua_pop(L, 1);
		lua_pushboolean(L, 1);
		lua_rawset(L, -3);
	}
	const void *model = lua_topointer(L, -1);
	for (unsigned i = 0; i < count && fits; i++) {
		lua_rawgeti(L, list, (lua_Integer)i + 1);
		shape->places[i] = reef_model_place(L, model);
		fits = shape->places[i] >= 0;
		lua_pop(L, 1);
	}
	if (fits) {
		shape->model = model;
	} else {
		lua_pop(L, 1);
		lua_pushnil(L);
	}
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
	lua_createtable(L, 2 * REEF_SQL_SHAPES, 0);
	lua_pushvalue(L, -1);
	lua_setiuservalue(L, index, value);
}

bool reef_sql_names_look(lua_State *L, struct reef_sql_names *names, int index, int value, unsigned count,
						 reef_sql_name_of name_of, const void *result) {
	for (unsigned i = 0; i < REEF_SQL_SHAPES; i++) {
		unsigned which = (names->last + i) % REEF_SQL_SHAPES;
		if (!shape_is(&names->shapes[which], count, name_of, result))
			continue;
		names->last = which;
		return names->shapes[which].model != NULL;
	}
	unsigned which = names->next;
	struct reef_sql_shape *shape = &names->shapes[which];
	shape->count = 0; /* nothing is found here until all of it is there */
	names_push_lists(L, index, value);
	names_push_new(L, count, name_of, result);
	shape_push_model(L, shape, count);
	lua_rawseti(L, -3, (lua_Integer)which + 1 + REEF_SQL_SHAPES);
	lua_rawseti(L, -2, (lua_Integer)which + 1);
	lua_pop(L, 1);
	if (!shape_set(shape, count, name_of, result))
		luaL_error(L, "sql: out of memory for the names of %d columns", (int)count);
	names->last = which;
	names->next = (which + 1) % REEF_SQL_SHAPES;
	return shape->model != NULL;
}

void reef_sql_names_push(lua_State *L, const struct reef_sql_names *names, int index, int value) {
	lua_getiuservalue(L, index, value);
	lua_rawgeti(L, -1, (lua_Integer)names->last + 1);
	lua_remove(L, -2);
}

const void *reef_sql_row_push(lua_State *L, const struct reef_sql_names *names) {
	const struct reef_sql_shape *shape = &names->shapes[names->last];
	if (shape->model)
		return reef_model_push(L, shape->model);
	lua_createtable(L, 0, (int)shape->count);
	return NULL;
}

void reef_sql_row_put(lua_State *L, const struct reef_sql_names *names, const void *row, int list, unsigned column) {
	if (row == NULL) {
		lua_rawgeti(L, list, (lua_Integer)column + 1);
		lua_insert(L, -2);
		lua_rawset(L, -3);
	} else if (lua_isnil(L, -1)) {
		reef_sql_row_skip(names, row, column);
		lua_pop(L, 1);
	} else {
		reef_model_put(L, row, names->shapes[names->last].places[column]);
	}
}

void reef_sql_row_skip(const struct reef_sql_names *names, const void *row, unsigned column) {
	if (row)
		reef_model_clear(row, names->shapes[names->last].places[column]);
}

void reef_sql_names_fini(struct reef_sql_names *names) {
	for (unsigned i = 0; i < REEF_SQL_SHAPES; i++) {
		reef_free(names->shapes[i].bytes);
		reef_free(names->shapes[i].places);
	}
	*names = (struct reef_sql_names){.last = 0};
}
