/* See parameters.h. */
#include "parameters.h"

#include <lauxlib.h>
#include <string.h>

#include "core/alloc.h"

static void parameters_reach(lua_State *L, struct reef_mysql_parameters *p, unsigned count) {
	if (p->binds && p->count >= count)
		return;
	MYSQL_BIND *binds = reef_try_realloc(p->binds, (count + 1) * sizeof *binds);
	if (binds)
		p->binds = binds;
	union reef_mysql_number *numbers = reef_try_realloc(p->numbers, (count + 1) * sizeof *numbers);
	if (numbers)
		p->numbers = numbers;
	if (!binds || !numbers)
		luaL_error(L, "mysql: out of memory for %d parameters", (int)count);
	p->count = count;
}

void reef_mysql_parameters_set(lua_State *L, struct reef_mysql_parameters *p, int first, unsigned count) {
	parameters_reach(L, p, count);
	memset(p->binds, 0, count * sizeof *p->binds);
	for (unsigned i = 0; i < count; i++) {
		MYSQL_BIND *bind = &p->binds[i];
		union reef_mysql_number *number = &p->numbers[i];
		int index = first + (int)i, exact;
		size_t size;
		bind->buffer = number;
		switch (lua_type(L, index)) {
		case LUA_TNIL:
		case LUA_TNONE:
			bind->buffer_type = MYSQL_TYPE_NULL;
			break;
		case LUA_TBOOLEAN:
			bind->buffer_type = MYSQL_TYPE_TINY;
			number->byte = (int8_t)lua_toboolean(L, index);
			break;
		case LUA_TNUMBER:
			number->integer = lua_tointegerx(L, index, &exact);
			bind->buffer_type = MYSQL_TYPE_LONGLONG;
			if (!exact) {
				number->real = lua_tonumber(L, index);
				bind->buffer_type = MYSQL_TYPE_DOUBLE;
			}
			break;
		case LUA_TSTRING:
			bind->buffer_type = MYSQL_TYPE_STRING;
			bind->buffer = (void *)(uintptr_t)lua_tolstring(L, index, &size);
			bind->buffer_length = (unsigned long)size;
			break;
		default:
			luaL_error(L, "mysql: parameter %d is a %s", (int)i + 1, luaL_typename(L, index));
		}
	}
}

void reef_mysql_parameters_fini(struct reef_mysql_parameters *p) {
	reef_free(p->binds);
	reef_free(p->numbers);
	*p = (struct reef_mysql_parameters){.binds = NULL};
}
