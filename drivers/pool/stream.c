/* Connections on which the server speaks by itself: subscribers. See proxy.h.
 *
 * The caller who has the connection asks for what has come (REEF_POOL_LISTEN) and gets all of it at once, or waits. What
 * nobody has asked for yet lies in the connection's input; when that is much, the socket is not read any more. So a slow
 * subscriber costs no more than that, and the server sees that it is slow.
 */
#include "proxy.h"
#include "socket/socket.h"

#define KEPT (1 << 20) /* bytes that may wait to be asked for */

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
	if (c->paused && (c->listener || c->in_size <= KEPT)) {
		c->paused = false;
		reef_socket_resume(c->channel.socket);
	}
}

struct reef_pool_node *reef_pool_stream_leave(struct reef_pool_connection *c) {
	struct reef_pool_node *node = c->listener;
	c->listener = NULL;
	return node;
}

size_t reef_pool_stream_deliver(struct reef_pool_connection *c, const char *start, size_t n, enum reef_frame *found) {
	struct reef_pool *pool = c->pool;
	size_t used = 0;
	*found = REEF_FRAME_INCOMPLETE;
	if (c->listener) {
		while (used < n && (*found = pool->protocol->scan(&c->frames, start + used, n - used)) == REEF_FRAME_COMPLETE) {
			used += c->frames.at;
			pool->protocol->begin(&c->frames, 1);
		}
	}
	if (used > 0) {
		c->used_ns = reef_pool_now(pool);
		reef_pool_reply(pool, reef_pool_stream_leave(c), start, used);
	} else if (*found != REEF_FRAME_BAD && n > KEPT && c->listener == NULL && !c->paused) {
		c->paused = true;
		reef_socket_pause(c->channel.socket);
	}
	return used;
}
