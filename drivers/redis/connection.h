/* One connection to a Redis server: a channel (drivers/channel) that speaks RESP.
 *
 * Replies come in the order of the requests, so each belongs to the oldest; its coroutine goes on at once with the
 * value. Whenever that order is in doubt (a reply that nobody asked for, bytes that are no reply, too many late replies)
 * the connection is closed and everybody who waits is told; a wrong reply is never handed out. The object is used again
 * for the next connection after one is lost. Own slice only.
 */
#ifndef REEF_REDIS_CONNECTION_H
#define REEF_REDIS_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "answer.h"
#include "drivers/channel/requests.h"
#include "encode.h"
#include "reply.h"

struct reef_redis_connection {
	struct reef_requests requests; /* first */
	struct reef_redis_reader reader;
	struct reef_redis_limits limits;
	size_t max_queue, max_queue_bytes;

	int overload; /* registry: function(boolean), or LUA_NOREF */
	bool overloaded;
	int queue;   /* registry: table of messages; LUA_NOREF: messages out of band are dropped */
	bool stream; /* every reply is a message */
	lua_Integer queue_head, queue_tail;
	size_t queue_bytes; /* roughly */
	bool paused;        /* the queue is full: the socket is not read */
	int bound;          /* coroutines that have a connection of their own now */
};

/* A new, closed connection for the VM that L belongs to. The caller fills in limits, overload, build and failure. */
struct reef_redis_connection *reef_redis_connection_new(lua_State *L);
/* Nothing of what has come is needed any more. */
void reef_redis_connection_forget_input(struct reef_redis_connection *c);
/* Is there room for another request? "" if so, else a text that says why not. */
const char *reef_redis_connection_refusal(struct reef_redis_connection *c);

#endif
