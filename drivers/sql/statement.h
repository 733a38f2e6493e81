/* Statements by one call into C: it looks at what the caller's db says, takes the turn or queues for it, runs the operation, and
 * returns its result. What is not so simple is left to a function of Lua: a connection that has to be made or looked at first. */
#ifndef REEF_SQL_STATEMENT_H
#define REEF_SQL_STATEMENT_H

#include <lua.h>

/* For Lua: statement(operation, slow, refused) -> method(db, statement, ...), which answers the operation's result.
 *
 * A db has { turn, time-out in seconds, are rows lists }. `statement` is a text; or, for REEF_SQL_PREPARED, a table whose
 * metatable has { handle, generation }, of the connection that knows the handle: no two of one VM have the same number.
 * slow(db, deadline, statement, ...) does the same in any other case, the deadline being on the scale of reef.base.now.
 * refused(db, result, statement, ...) makes of what the server refuses what the caller gets; its turn is over then. */
int reef_sql_statement(lua_State *L);

#endif
