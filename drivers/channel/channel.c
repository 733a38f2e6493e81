/* See channel.h. */
#include "channel.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/slice.h"
#include "socket/socket.h"
#include "socket/tls/context.h"

/* Larger output is handed to the socket as it is instead of being copied; smaller buffers are kept. */
#define KEEP (64 * 1024)
/* So many time-outs in a row are the connection's fault and not the server's. */
#define PATIENCE 3
/* Clocks of requests may be behind by this. */
#define LAG_NS 20000000u

/* ---- life ---- */

static void wait_cancelled(struct reef_wait *wait, struct reef_task *task) {
	struct reef_channel *c = (struct reef_channel *)((char *)wait - offsetof(struct reef_channel, wait));
	if (c->opener == task) {
		c->opener = NULL;
		reef_channel_close(c, REEF_CHANNEL_GIVEN_UP, "the coroutine that connected was ended");
	} else if (c->protocol->cancelled) {
		c->protocol->cancelled(c, task);
	}
}

static void run_flush(struct reef_deferred *deferred);

void reef_channel_init(struct reef_channel *c, const struct reef_channel_protocol *protocol) {
	c->protocol = protocol;
	c->references = 1;
	c->flush.run = run_flush;
	c->wait.cancel = wait_cancelled;
}

void reef_channel_ref(struct reef_channel *c) {
	c->references++;
}

void reef_channel_unref(struct reef_channel *c) {
	if (--c->references > 0)
		return;
	reef_free(c->out.bytes);
	c->protocol->release(c);
}

static void forget_output(struct reef_channel *c) {
	c->out.size = c->out.end = 0;
	if (c->out.capacity > KEEP) {
		reef_free(c->out.bytes);
		c->out = (struct reef_output){0};
	}
}

void reef_channel_close(struct reef_channel *c, enum reef_channel_end end, const char *why) {
	if (c->state == REEF_CHANNEL_CLOSED)
		return;
	uint64_t sent = reef_channel_sent(c);
	if (why != c->lost)
		snprintf(c->lost, sizeof(c->lost), "%s", why);
	c->lost_ns = reef_now_ns();
	c->state = REEF_CHANNEL_CLOSED;
	c->incarnation++;
	reef_channel_ref(c);
	c->protocol->ended(c, end, sent);
	struct reef_task *task = c->opener;
	c->opener = NULL;
	if (task)
		c->protocol->refused(c, task, end);
	reef_socket_abandon(c->socket);
	reef_socket_shutdown(c->socket);
	c->socket = 0;
	forget_output(c);
	reef_channel_unref(c);
}

/* ---- what the socket says ---- */

static char *sink_room(void *ud, int id, size_t *n) {
	struct reef_channel *c = ud;
	(void)id;
	return c->protocol->room(c, n);
}

static void sink_data(void *ud, int id, const char *bytes, size_t n) {
	struct reef_channel *c = ud;
	(void)id;
	c->bytes_in += n;
	c->handed = c->gathered - c->out.size;
	reef_channel_ref(c);
	c->delivering = true;
	c->protocol->data(c, bytes, n);
	c->delivering = false;
	reef_channel_unref(c);
}

static void sink_opened(void *ud, int id, const char *peer) {
	struct reef_channel *c = ud;
	struct reef_task *task = c->opener;
	(void)id, (void)peer;
	c->opener = NULL;
	c->state = REEF_CHANNEL_LOGIN;
	c->opened_ns = c->heard_ns = reef_now_ns();
	c->connects++;
	if (c->protocol->opened)
		c->protocol->opened(c);
	if (task) {
		lua_pushboolean(reef_task_thread(task), true);
		reef_task_wake(task, 1);
	}
}

static void sink_closed(void *ud, int id) {
	(void)id;
	reef_channel_close(ud, REEF_CHANNEL_LOST, "the server closed the connection");
}

static void sink_failed(void *ud, int id, int error, const char *text) {
	(void)id, (void)error;
	reef_channel_close(ud, REEF_CHANNEL_LOST, text);
}

static void sink_warning(void *ud, int id, size_t kb) {
	struct reef_channel *c = ud;
	(void)id;
	c->warning = kb * 1024;
	if (c->protocol->warned)
		c->protocol->warned(c, c->warning);
}

static const struct reef_sink sink = {
		.opened = sink_opened,
		.data = sink_data,
		.room = sink_room,
		.closed = sink_closed,
		.failed = sink_failed,
		.warning = sink_warning,
};

const char *reef_channel_connect(struct reef_channel *c, struct reef_task *task, const char *host, int port,
								 uint64_t deadline_ns, const struct reef_tls_target *tls) {
	const char *error = NULL;
	if (c->state != REEF_CHANNEL_CLOSED)
		return "the connection is in use";
	c->socket = reef_socket_open(host, port, deadline_ns, &sink, c, &error);
	if (c->socket == 0)
		return error;
	if (tls)
		(void)reef_socket_use_tls(c->socket, tls, NULL, 0);
	c->state = REEF_CHANNEL_CONNECTING;
	c->incarnation++;
	c->gathered = c->handed = c->left = 0;
	c->missed = 0;
	c->missed_ns = 0;
	c->warning = 0;
	c->out.size = c->out.end = 0;
	c->opening_ns = reef_now_ns();
	c->opener = task;
	c->wait.what = c->protocol->connecting;
	return NULL;
}

/* ---- replies ---- */

bool reef_channel_missed(struct reef_channel *c, uint64_t sent_ns) {
	if (sent_ns + LAG_NS >= c->missed_ns) {
		c->missed++;
		c->missed_ns = reef_now_ns();
	}
	if (c->missed < PATIENCE)
		return false;
	reef_channel_close(c, REEF_CHANNEL_SILENT, "no reply has come in time, several times in a row");
	return true;
}

/* ---- output ---- */

static void run_flush(struct reef_deferred *deferred) {
	struct reef_channel *c = (struct reef_channel *)((char *)deferred - offsetof(struct reef_channel, flush));
	char *bytes = c->out.bytes;
	size_t n = c->out.size;
	c->flush_queued = false;
	c->out.size = c->out.end = 0;
	c->bytes_out += n;
	/* A socket that refuses has ended; `closed` or `failed` will say so. */
	if (n > KEEP) {
		c->out = (struct reef_output){0};
		(void)reef_socket_write_take(c->socket, bytes, n, REEF_NORMAL);
	} else if (n > 0) {
		(void)reef_socket_write(c->socket, bytes, n, REEF_NORMAL);
	}
	if (c->protocol->flushed)
		c->protocol->flushed(c, n);
	reef_channel_unref(c);
}

void reef_channel_send(struct reef_channel *c) {
	if (c->flush_queued)
		return;
	c->flush_queued = true;
	reef_channel_ref(c);
	if (!reef_slice_defer(&c->flush))
		run_flush(&c->flush);
}

bool reef_channel_put(struct reef_channel *c, const char *bytes, size_t n) {
	reef_output_begin(&c->out);
	if (!reef_output_grow(&c->out, n))
		return false;
	memcpy(c->out.bytes + c->out.end, bytes, n);
	c->out.end += n;
	reef_channel_commit(c);
	return true;
}

bool reef_channel_give(struct reef_channel *c, char *block, size_t n, size_t capacity) {
	if (c->out.size == 0) {
		reef_free(c->out.bytes);
		c->out = (struct reef_output){.bytes = block, .end = n, .capacity = capacity};
		reef_channel_commit(c);
		return true;
	}
	if (!reef_channel_put(c, block, n))
		return false;
	reef_free(block);
	return true;
}

size_t reef_channel_unsent(const struct reef_channel *c) {
	return c->out.size + (c->socket ? reef_socket_unsent(c->socket) : 0);
}

bool reef_channel_is_full_now(struct reef_channel *c) {
	size_t unsent = reef_channel_unsent(c);
	c->left = c->gathered > unsent ? c->gathered - unsent : 0;
	return unsent >= c->max_unsent;
}
