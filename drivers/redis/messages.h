/* Messages that came without being asked for (of subscriptions, and what a server pushes) and wait to be read. While there
 * are too many, the socket is not read: nothing is lost, the server keeps them. Own slice only.
 */
#ifndef REEF_REDIS_MESSAGES_H
#define REEF_REDIS_MESSAGES_H

#include <stdbool.h>

#include <lua.h>

struct reef_redis_connection;

/* Queues the message on top of the build stack, popped. */
void reef_redis_messages_add(struct reef_redis_connection *c);
/* The oldest message, pushed on L; false: there is none. */
bool reef_redis_messages_take(struct reef_redis_connection *c, lua_State *L);

#endif
