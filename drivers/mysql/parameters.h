/* Lua values as parameters of a prepared statement. */
#ifndef REEF_MYSQL_PARAMETERS_H
#define REEF_MYSQL_PARAMETERS_H

#include <lua.h>
#include <mysql.h>
#include <stdint.h>

union reef_mysql_number {
	int64_t integer;
	double real;
	int8_t byte;
};

/* `count` of each; whoever has it frees them (reef_free). */
struct reef_mysql_parameters {
	MYSQL_BIND *binds;
	union reef_mysql_number *numbers;
	unsigned count;
};

/* Fills in the values from `first` on. Strings stay Lua's: they have to stay on the stack or be held elsewhere until the
 * call is over. Raises for what cannot be a parameter, and for want of memory. */
void reef_mysql_parameters_set(lua_State *L, struct reef_mysql_parameters *p, int first, unsigned count);
void reef_mysql_parameters_fini(struct reef_mysql_parameters *p);

#endif
