/* Lists of records for statistics. */
#include "stat_list.h"

#include <stdbool.h>
#include <string.h>

#include <lauxlib.h>

#include "core/array.h"

#define TYPE "reef.stat_list"

struct reef_stat_list {
	char *records;
	size_t size, count, capacity;
	bool failed;
};

static char **name_of(const struct reef_stat_list *list, size_t i) {
	return (char **)(void *)(list->records + i * list->size);
}

static int free_list(lua_State *L) {
	struct reef_stat_list *list = luaL_checkudata(L, 1, TYPE);
	for (size_t i = 0; i < list->count; i++)
		reef_free(*name_of(list, i));
	reef_free(list->records);
	*list = (struct reef_stat_list){0};
	return 0;
}

struct reef_stat_list *reef_stat_list_new(lua_State *L, size_t size) {
	struct reef_stat_list *list = lua_newuserdatauv(L, sizeof(*list), 0);
	*list = (struct reef_stat_list){.size = size};
	if (luaL_newmetatable(L, TYPE)) {
		lua_pushcfunction(L, free_list);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return list;
}

void reef_stat_list_add(void *ud, const void *record) {
	struct reef_stat_list *list = ud;
	if (!list->failed && list->count == list->capacity) {
		void *records = reef_array_enlarge(list->records, &list->capacity, list->count + 1, list->size);
		list->failed = records == NULL;
		list->records = list->failed ? list->records : records;
	}
	if (list->failed)
		return;
	char **name = name_of(list, list->count);
	memcpy(name, record, list->size);
	*name = reef_try_strdup(*name);
	list->failed = *name == NULL;
	list->count += !list->failed;
}

size_t reef_stat_list_count(lua_State *L, const struct reef_stat_list *list) {
	if (list->failed)
		luaL_error(L, "not enough memory");
	return list->count;
}

const void *reef_stat_list_get(const struct reef_stat_list *list, size_t i) {
	return list->records + i * list->size;
}

void reef_stat_integer(lua_State *L, const char *field, size_t value) {
	lua_pushinteger(L, (lua_Integer)value);
	lua_setfield(L, -2, field);
}

void reef_stat_boolean(lua_State *L, const char *field, int value) {
	lua_pushboolean(L, value);
	lua_setfield(L, -2, field);
}

void reef_stat_string(lua_State *L, const char *field, const char *value) {
	lua_pushstring(L, value);
	lua_setfield(L, -2, field);
}
