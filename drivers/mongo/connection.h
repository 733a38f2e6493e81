/* One connection to a MongoDB server: a channel (drivers/channel) that speaks OP_MSG.
 *
 * The server answers in the order of the requests and says which it answers: a reply that does not name the oldest one
 * ends the connection, so a wrong reply is never handed out. The object serves one connection only; after its end a new
 * one is made. Own slice only.
 */
#ifndef REEF_MONGO_CONNECTION_H
#define REEF_MONGO_CONNECTION_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "compress.h"
#include "drivers/bson/writer.h"
#include "drivers/channel/requests.h"

struct reef_mongo_connection {
	struct reef_requests requests; /* first */
	struct reef_writer in;         /* the beginning of a message */
	int32_t stream;                /* id that the next unasked reply answers; 0: none comes */
	unsigned stream_decode;
	enum reef_compressor compressor; /* of requests; replies say themselves */
	int level;
	int stream_early; /* registry: table of replies that came before anybody waited, or LUA_NOREF */
};

/* A new one for the VM that L belongs to; the caller sets build and failure. */
struct reef_mongo_connection *reef_mongo_connection_new(lua_State *L);
/* Sends the message in `w`, which is that command. False: no memory. */
bool reef_mongo_connection_send(struct reef_mongo_connection *c, struct reef_writer *w, const char *command);

#endif
