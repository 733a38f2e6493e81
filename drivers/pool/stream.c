/* Connections on which the server speaks by itself: subscribers. See stream.h.
 *
 * The caller who has the connection asks for what has come (REEF_POOL_LISTEN) and gets all of it at once, or waits. What
 * nobody has asked for yet lies in the connection's input; when that is much, the socket is not read any more. So a slow
 * subscriber costs no more than that, and the server sees that it is slow.
 */
#include "stream.h"

#include "connection.h"
#include "socket/socket.h"

/* False: it cannot be one, and is closed now. */
static bool become_stream(struct reef_pool_connection *c) {
	if (c->frames.stream)
		return true;
	if (c->flying.head) {
		reef_pool_connection_close(c, REEF_CHANNEL_GARBLED, "a stream must not begin before all replies have come");
		return false;
	}
	c->frames.stream = true;
	c->pool->protocol->begin(&c->frames, 1);
	/* It lasts as long as its holder wants: nobody waits for its end. */
	reef_pool_check_idle(c->pool);
	return true;
}

void reef_pool_stream_say(struct reef_pool_connection *c, const char *bytes, size_t n) {
	if (become_stream(c) && !reef_pool_connection_write(c, bytes, n))
		reef_pool_connection_close(c, REEF_CHANNEL_GIVEN_UP, "not enough memory");
}

void reef_pool_stream_listen(struct reef_pool_connection *c, struct reef_pool_node *node) {
	struct reef_pool *pool = c->pool;
	if (!become_stream(c) || c->listener) {
		reef_pool_fail(pool, node, REEF_POOL_CODE_PROTOCOL, false, "somebody listens there already");
		return;
	}
	c->listener = node;
	if (node->deadline_ns != REEF_NO_DEADLINE)
		reef_deadline_arm(&pool->deadline, node->deadline_ns);
	if (c->in_size > 0)
		reef_pool_connection_consume(c);
	if (c->paused && (c->listener || c->in_size <= REEF_POOL_KEPT)) {
		c->paused = false;
		reef_socket_resume(c->channel.socket);
	}
}
