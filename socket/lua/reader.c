/* See reader.h. What a coroutine wants is looked for in a *view*: the buffer, or, when that is empty, the bytes that have
 * just come, which then never enter the buffer. */
#include "reader.h"
#include "core/slice.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "core/env.h"
#include "core/log.h"
#include "core/service.h"
#include "readers.h"
#include "result.h"

#define READER "reef.socket.reader"
#define AUTO_PAUSE (128 * 1024) /* buffered bytes that nobody asks for; the contract's */
#define DIRECT_AT (64 * 1024)   /* an exact read that lacks this much is read straight into the buffer */
#define DIRECT_MAX (1024 * 1024)
#define LINE_LIMIT (16 * 1024 * 1024) /* a line that does not end; config `socket_line_limit` */

static uint32_t handle_of(const struct reef_reader *r) {
	return reef_service_handle(reef_host_service(r->host));
}

/* ---- life ---- */

static void free_separator(struct reef_reader *r) {
	if (r->separator != r->separator_space)
		reef_free(r->separator);
	r->separator = NULL;
}

static int reader_collect(lua_State *L) {
	struct reef_reader *r = luaL_checkudata(L, 1, READER);
	/* Somebody waits: this is not the collector. */
	if (r->task)
		return 0;
	reef_buffer_clear(&r->buffer);
	free_separator(r);
	return 0;
}

static void cancel_reader(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	struct reef_reader *r = (struct reef_reader *)(void *)((char *)wait - offsetof(struct reef_reader, wait));
	bool opening = r->want == REEF_WANT_OPEN;
	r->task = NULL;
	r->want = REEF_WANT_NOTHING;
	if (opening) {
		reef_socket_abandon(r->id);
		reef_socket_close(r->id);
		reef_readers_forget(reef_host_main(r->host), r);
	}
}

static void cancel_closer(struct reef_wait *wait, struct reef_task *task) {
	(void)task;
	struct reef_reader *r = (struct reef_reader *)(void *)((char *)wait - offsetof(struct reef_reader, closer_wait));
	r->closer = NULL;
}

struct reef_reader *reef_reader_new(lua_State *L) {
	struct reef_reader *r = lua_newuserdatauv(L, sizeof *r, 0);
	memset(r, 0, sizeof *r);
	r->host = reef_host_of(L);
	r->limit = (size_t)reef_env_int("socket_limit", 0);
	r->wait.cancel = cancel_reader;
	r->closer_wait = (struct reef_wait){.cancel = cancel_closer, .what = "socket close"};
	if (luaL_newmetatable(L, READER)) {
		lua_pushcfunction(L, reader_collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return r;
}

/* ---- what is wanted ---- */

static struct reef_task *take_task(struct reef_reader *r) {
	struct reef_task *task = r->task;
	r->task = NULL;
	r->want = REEF_WANT_NOTHING;
	return task;
}

/* Is it there? The first *n bytes of the view are it, *skip more go with it. */
static bool is_there(struct reef_reader *r, const char *bytes, size_t size, size_t *n, size_t *skip) {
	*skip = 0;
	switch (r->want) {
	case REEF_WANT_SOME:
		*n = size;
		return size > 0;
	case REEF_WANT_EXACT:
		*n = r->need;
		return size >= r->need;
	case REEF_WANT_LINE:
		*n = reef_buffer_find(bytes, size, r->separator, r->separator_size, &r->scanned);
		*skip = r->separator_size;
		return *n != SIZE_MAX;
	default:
		return false;
	}
}

/* What is left when no more will come. */
static void last_result(const struct reef_reader *r, struct reef_result *result) {
	result->bytes = reef_buffer_bytes(&r->buffer);
	result->n = reef_buffer_size(&r->buffer);
	if (r->want == REEF_WANT_ALL)
		result->kind = REEF_RESULT_BYTES;
	else if (r->want == REEF_WANT_TAKEN)
		*result = (struct reef_result){.kind = REEF_RESULT_TAKEN, .taker = r->taker, .over = true};
	else if (r->want == REEF_WANT_NEWS)
		result->kind = REEF_RESULT_FALSE;
	else
		result->kind = REEF_RESULT_FALSE_BYTES;
}

int reef_reader_suspend(lua_State *L, struct reef_reader *r, const char *what) {
	r->wait.what = what;
	r->task = reef_task_running(L);
	return reef_task_suspend(L, &r->wait);
}

int reef_reader_suspend_closer(lua_State *L, struct reef_reader *r) {
	r->closer = reef_task_running(L);
	return reef_task_suspend(L, &r->closer_wait);
}

static void flow_again(struct reef_reader *r) {
	if (!r->paused)
		return;
	r->paused = false;
	reef_log(handle_of(r), "Resume socket (%d)", r->id);
	reef_socket_resume(r->id);
}

int reef_reader_read(lua_State *L, struct reef_reader *r) {
	size_t n, skip, size = reef_buffer_size(&r->buffer);
	struct reef_result result = {.kind = REEF_RESULT_BYTES, .bytes = reef_buffer_bytes(&r->buffer)};
	bool found = is_there(r, result.bytes, size, &n, &skip);
	if (found) {
		result.n = n;
	} else if (!r->connected) {
		last_result(r, &result);
		if (r->want == REEF_WANT_ALL && size == 0)
			result.kind = REEF_RESULT_FALSE;
		n = r->want == REEF_WANT_NEWS ? 0 : size;
	} else {
		flow_again(r);
		return reef_reader_suspend(L, r, "socket read");
	}
	r->want = REEF_WANT_NOTHING;
	reef_result_push(L, &result);
	reef_buffer_drop(&r->buffer, n + (found ? skip : 0));
	return result.count;
}

int reef_reader_take(lua_State *L, int readers, int id, struct reef_taker *taker) {
	lua_rawgeti(L, readers, id);
	struct reef_reader *r = lua_touserdata(L, -1);
	lua_pop(L, 1);
	if (r == NULL || r->task)
		return luaL_error(L, "socket %d is %s", id, r ? "being read by another coroutine" : "none of this service's");
	size_t size = reef_buffer_size(&r->buffer);
	bool enough = false;
	if (size > 0)
		reef_buffer_drop(&r->buffer, taker->take(taker, reef_buffer_bytes(&r->buffer), size, &enough));
	if (enough || !r->connected)
		return taker->give(taker, L, !enough);
	flow_again(r);
	r->taker = taker;
	r->want = REEF_WANT_TAKEN;
	return reef_reader_suspend(L, r, "socket read");
}

/* ---- the sink ---- */

static void reader_opened(void *ud, int id, const char *peer) {
	(void)peer;
	struct reef_reader *r = ud;
	if (r->want != REEF_WANT_OPEN)
		return;
	r->connected = true;
	r->started = true;
	struct reef_result result = {.kind = REEF_RESULT_ID, .n = (size_t)id};
	struct reef_task *task = take_task(r);
	reef_result_wake(task, reef_result_give(r->host, task, &result), result.count, true);
}

static char *reader_room(void *ud, int id, size_t *n) {
	(void)id;
	struct reef_reader *r = ud;
	size_t size = reef_buffer_size(&r->buffer);
	if (r->want == REEF_WANT_EXACT && r->need - size >= DIRECT_AT) {
		size_t lacks = r->need - size;
		if (lacks > DIRECT_MAX)
			lacks = DIRECT_MAX;
		char *space = reef_buffer_reserve(&r->buffer, lacks);
		if (space) {
			*n = lacks;
			return space;
		}
	}
	return reef_slice_scratch();
}

/* The buffer is larger than its limits allow: the peer sends more than anybody asked for, or never ends a line. */
static bool overflows(const struct reef_reader *r, size_t size) {
	if (r->want == REEF_WANT_EXACT)
		return false;
	if (r->limit != 0 && size > r->limit)
		return true;
	return r->want == REEF_WANT_LINE && size > (size_t)reef_env_int("socket_line_limit", LINE_LIMIT);
}

/* Puts what came behind the buffer's end, where it may be already. */
static bool keep_rest(struct reef_reader *r, const char *bytes, size_t n) {
	if (n == 0)
		return true;
	if (r->buffer.data && bytes == r->buffer.data + r->buffer.end) {
		r->buffer.end += n;
		return true;
	}
	return reef_buffer_append(&r->buffer, bytes, n);
}

static void check_limits(struct reef_reader *r) {
	size_t size = reef_buffer_size(&r->buffer);
	if (overflows(r, size)) {
		reef_log(handle_of(r), "socket buffer overflow: fd=%d size=%zu", r->id, size);
		reef_buffer_clear(&r->buffer);
		reef_socket_close(r->id);
	} else if (size > AUTO_PAUSE && r->want == REEF_WANT_NOTHING && !r->paused) {
		r->paused = true;
		reef_log(handle_of(r), "Pause socket (%d) size : %zu", r->id, size);
		reef_socket_pause(r->id);
	}
}

static void out_of_memory(struct reef_reader *r, size_t n) {
	reef_log(handle_of(r), "error: socket: no memory for %zu bytes of input on %d", n, r->id);
	reef_socket_shutdown(r->id);
}

static void feed_taker(struct reef_reader *r, const char *bytes, size_t n) {
	bool enough = false;
	size_t used = r->taker->take(r->taker, bytes, n, &enough);
	if (bytes == reef_buffer_bytes(&r->buffer))
		reef_buffer_drop(&r->buffer, used);
	else if (!keep_rest(r, bytes + used, n - used))
		out_of_memory(r, n - used);
	if (!enough)
		return;
	struct reef_result result = {.kind = REEF_RESULT_TAKEN, .taker = r->taker};
	struct reef_task *task = take_task(r);
	bool ok = reef_result_give(r->host, task, &result);
	reef_result_wake(task, ok, result.count, true);
}

static void reader_data(void *ud, int id, const char *bytes, size_t n) {
	(void)id;
	struct reef_reader *r = ud;
	bool direct = reef_buffer_size(&r->buffer) == 0 && bytes != r->buffer.data;
	if (!direct) {
		if (!keep_rest(r, bytes, n)) {
			out_of_memory(r, n);
			return;
		}
		bytes = reef_buffer_bytes(&r->buffer);
		n = reef_buffer_size(&r->buffer);
	}
	if (r->task && r->want == REEF_WANT_TAKEN) {
		feed_taker(r, bytes, n);
		return;
	}
	size_t got, skip;
	struct reef_result result = {.kind = REEF_RESULT_BYTES, .bytes = bytes};
	bool found = r->task && is_there(r, bytes, n, &got, &skip);
	if (r->task && r->want == REEF_WANT_NEWS) {
		result.kind = REEF_RESULT_TRUE;
		found = true;
		got = skip = 0;
	}
	if (!found) {
		if (direct && !keep_rest(r, bytes, n))
			out_of_memory(r, n);
		else
			check_limits(r);
		return;
	}
	result.n = got;
	struct reef_task *task = r->task;
	bool ok = reef_result_give(r->host, task, &result);
	size_t used = ok ? got + skip : 0;
	if (!direct)
		reef_buffer_drop(&r->buffer, used);
	else if (!keep_rest(r, bytes + used, n - used))
		out_of_memory(r, n - used);
	take_task(r);
	reef_result_wake(task, ok, result.count, true);
}

static void reader_accepted(void *ud, int id, int newid, const char *peer) {
	struct reef_reader *r = ud;
	if (!reef_readers_notify(r->host,
							 &(struct reef_readers_notice){
									 .what = "accept", .id = id, .number = newid, .bytes = peer, .n = strlen(peer)}))
		reef_socket_shutdown(newid);
}

static void reader_datagram(void *ud, int id, const char *bytes, size_t n, const struct reef_udp_address *from) {
	struct reef_reader *r = ud;
	reef_readers_notify(r->host,
						&(struct reef_readers_notice){.what = "udp", .id = id, .bytes = bytes, .n = n, .from = from});
}

static void reader_warning(void *ud, int id, size_t kb) {
	struct reef_reader *r = ud;
	reef_readers_notify(r->host, &(struct reef_readers_notice){.what = "warning", .id = id, .number = (lua_Integer)kb});
}

void reef_reader_finish(struct reef_reader *r, bool at_once) {
	struct reef_task *closer = r->closer;
	r->closer = NULL;
	if (r->task) {
		struct reef_result result = {.kind = REEF_RESULT_FALSE};
		last_result(r, &result);
		bool drop = r->want != REEF_WANT_NEWS;
		struct reef_task *task = take_task(r);
		struct reef_host *host = r->host;
		bool ok = reef_result_give(host, task, &result);
		if (ok && drop)
			reef_buffer_drop(&r->buffer, reef_buffer_size(&r->buffer));
		reef_result_wake(task, ok, result.count, at_once);
	}
	if (closer)
		reef_result_wake(closer, true, 0, at_once);
}

void reef_reader_abandon(struct reef_reader *r) {
	struct reef_task *closer = r->closer;
	r->closer = NULL;
	if (r->task) {
		struct reef_result result = {.kind = REEF_RESULT_FALSE, .taker = r->taker, .over = true};
		if (r->want == REEF_WANT_TAKEN)
			result.kind = REEF_RESULT_TAKEN;
		struct reef_task *task = take_task(r);
		bool ok = reef_result_give(r->host, task, &result);
		reef_result_wake(task, ok, result.count, false);
	}
	if (closer)
		reef_result_wake(closer, true, 0, false);
}

static void ended(struct reef_reader *r, bool at_once) {
	r->connected = false;
	r->paused = false;
	if (r->on_close) {
		/* Lua runs the callback in a coroutine and finishes after it. */
		r->on_close = false;
		if (reef_readers_notify(r->host, &(struct reef_readers_notice){.what = "close", .id = r->id}))
			return;
	}
	reef_reader_finish(r, at_once);
}

static void reader_closed(void *ud, int id) {
	(void)id;
	ended(ud, true);
}

static void reader_failed(void *ud, int id, int error, const char *text) {
	(void)error;
	struct reef_reader *r = ud;
	if (r->want == REEF_WANT_OPEN) {
		struct reef_result result = {.kind = REEF_RESULT_NIL_BYTES, .bytes = text, .n = strlen(text)};
		struct reef_task *task = take_task(r);
		bool ok = reef_result_give(r->host, task, &result);
		reef_readers_forget(reef_host_main(r->host), r);
		reef_result_wake(task, ok, result.count, true);
		return;
	}
	reef_log(handle_of(r), "socket: error on %d %s", id, text);
	r->broken = true;
	ended(r, true);
}

const struct reef_sink reef_reader_sink = {
		.opened = reader_opened,
		.data = reader_data,
		.room = reader_room,
		.accepted = reader_accepted,
		.datagram = reader_datagram,
		.closed = reader_closed,
		.failed = reader_failed,
		.warning = reader_warning,
};
