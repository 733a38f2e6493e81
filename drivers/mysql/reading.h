/* What calls of libmariadb have brought, as Lua values on the stack of the operation; and which call follows: the next row, the
 * next result, or none. Own slice only; belongs to connection.c. */
#ifndef REEF_MYSQL_READING_H
#define REEF_MYSQL_READING_H

#include "connection.h"

/* The first call of an operation: the server is told of collected statements before. */
enum reef_mysql_call reef_mysql_first_call(struct reef_mysql_connection *c);
/* What follows a call that is over. NO_CALL: nothing, and `state` is what it has come to; or `later` says what. */
enum reef_mysql_call reef_mysql_follow(lua_State *L, struct reef_mysql_connection *c, enum reef_mysql_call over);
/* The call that gets the next row of the result that is being read. */
enum reef_mysql_call reef_mysql_row_call(const struct reef_mysql_connection *c);
void reef_mysql_free_result(struct reef_mysql_connection *c);

#endif
