/* Lists of records that are gathered while something is locked, when nothing may raise, and then made into Lua tables. */
#ifndef REEF_SHARETABLE_STAT_LIST_H
#define REEF_SHARETABLE_STAT_LIST_H

#include <stddef.h>

#include <lua.h>

struct reef_stat_list;

/* Pushes an empty list, which the collector frees, for records of `size` bytes that begin with a name (const char *). */
struct reef_stat_list *reef_stat_list_new(lua_State *L, size_t size);
/* Adds a copy of a record, with its own copy of the name. Never raises; `list` is a pointer to one. */
void reef_stat_list_add(void *list, const void *record);
/* How many there are. Raises if memory was out. */
size_t reef_stat_list_count(lua_State *L, const struct reef_stat_list *list);
const void *reef_stat_list_get(const struct reef_stat_list *list, size_t i);

/* Sets a field of the table on top of the stack. */
void reef_stat_integer(lua_State *L, const char *field, size_t value);
void reef_stat_boolean(lua_State *L, const char *field, int value);
void reef_stat_string(lua_State *L, const char *field, const char *value);

#endif
