/* See reader.h. What a coroutine wants is looked for in a *view*: the buffer, or, when that is empty, the bytes that have
 * just come, which then never enter the buffer. */
#include "socket/reader.h"

#include <stdint.h>
#include <string.h>

#include "core/alloc.h"
#include "core/env.h"
#include "core/log.h"
#include "core/service.h"
#include "core/slice.h"

#define READER "reef.socket.reader"
#define AUTO_PAUSE (128 * 1024) /* buffered bytes that nobody asks for; the contract's */
#define DIRECT_AT (64 * 1024)   /* an exact read that lacks this much is read straight into the buffer */
#define DIRECT_MAX (1024 * 1024)
#define LINE_LIMIT (16 * 1024 * 1024) /* a line that does not end; config `socket_line_limit` */

static const char readers_key, notify_key;

static uint32_t handle_of(const struct reef_reader *r) {
	return reef_service_handle(reef_host_service(r->host));
}

/* ---- the table ---- */

void reef_readers_push(lua_State *L) {
	if (lua_rawgetp(L, LUA_REGISTRYINDEX, &readers_key) == LUA_TTABLE)
		return;
	lua_pop(L, 1);
	lua_newtable(L);
	lua_pushvalue(L, -1);
	lua_rawsetp(L, LUA_REGISTRYINDEX, &readers_key);
}

void reef_readers_set_notify(lua_State *L) {
	lua_rawsetp(L, LUA_REGISTRYINDEX, &notify_key);
}

static void free_separator(struct reef_reader *r) {
	if (r->separator != r->separator_space)
		reef_free(r->separator);
	r->separator = NULL;
}

static int collect(lua_State *L) {
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
		reef_reader_forget(reef_host_main(r->host), r);
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
		lua_pushcfunction(L, collect);
		lua_setfield(L, -2, "__gc");
	}
	lua_setmetatable(L, -2);
	return r;
}

void reef_reader_anchor(lua_State *L, struct reef_reader *r, int index) {
	index = lua_absindex(L, index);
	reef_readers_push(L);
	lua_pushvalue(L, index);
	lua_rawseti(L, -2, r->id);
	lua_pop(L, 1);
}

void reef_reader_forget(lua_State *L, struct reef_reader *r) {
	reef_readers_push(L);
	lua_pushnil(L);
	lua_rawseti(L, -2, r->id);
	lua_pop(L, 1);
}

/* ---- results ---- */

/* Values for a coroutine, made under protection: memory may be limited. */
struct results {
	lua_State *to;
	enum { NONE, TRUE, ID, BYTES, FALSE, FALSE_BYTES, NIL_BYTES } kind;
	const char *bytes;
	size_t n;
	int count;
};

static void push_results(lua_State *L, struct results *p) {
	p->count = 1;
	switch (p->kind) {
	case NONE:
		p->count = 0;
		break;
	case TRUE:
		lua_pushboolean(L, 1);
		break;
	case ID:
		lua_pushinteger(L, (lua_Integer)p->n);
		break;
	case BYTES:
		lua_pushlstring(L, p->bytes, p->n);
		break;
	case FALSE:
		lua_pushboolean(L, 0);
		break;
	case FALSE_BYTES:
		lua_pushboolean(L, 0);
		lua_pushlstring(L, p->bytes, p->n);
		p->count = 2;
		break;
	case NIL_BYTES:
		lua_pushnil(L);
		lua_pushlstring(L, p->bytes, p->n);
		p->count = 2;
		break;
	}
}

static int push_protected(lua_State *L) {
	struct results *p = lua_touserdata(L, 1);
	luaL_checkstack(L, 3, NULL);
	push_results(L, p);
	if (!lua_checkstack(p->to, p->count))
		return luaL_error(L, "stack overflow");
	lua_xmove(L, p->to, p->count);
	return 0;
}

/* Puts results on the task's thread; false: an error value is there instead. */
static bool give(struct reef_host *host, struct reef_task *task, struct results *results) {
	lua_State *L = reef_host_main(host);
	results->to = reef_task_thread(task);
	lua_pushcfunction(L, push_protected);
	lua_pushlightuserdata(L, results);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK)
		return true;
	lua_xmove(L, results->to, 1);
	return false;
}

static void go_on(struct reef_task *task, bool ok, int count, bool at_once) {
	if (ok && at_once)
		reef_task_resume(task, count);
	else if (ok)
		reef_task_wake(task, count);
	else if (at_once)
		reef_task_fail(task);
	else
		reef_task_wake_fail(task);
}

static struct reef_task *take_task(struct reef_reader *r) {
	struct reef_task *task = r->task;
	r->task = NULL;
	r->want = REEF_WANT_NOTHING;
	return task;
}

/* ---- what is wanted ---- */

/* Is it there? The first *n bytes of the view are it, *skip more go with it. */
static bool look(struct reef_reader *r, const char *bytes, size_t size, size_t *n, size_t *skip) {
	*skip = 0;
	switch (r->want) {
	case REEF_WANT_SOME:
		*n = size;
		return size > 0;
	case REEF_WANT_EXACT:
		*n = r->need;
		return size >= r->need;
	case REEF_WANT_LINE:
		*n = reef_find_separator(bytes, size, r->separator, r->separator_size, &r->scanned);
		*skip = r->separator_size;
		return *n != SIZE_MAX;
	default:
		return false;
	}
}

/* What is left when no more will come. */
static void last_results(const struct reef_reader *r, struct results *results) {
	results->bytes = reef_buffer_bytes(&r->buffer);
	results->n = reef_buffer_size(&r->buffer);
	if (r->want == REEF_WANT_ALL)
		results->kind = BYTES;
	else if (r->want == REEF_WANT_NEWS)
		results->kind = FALSE;
	else
		results->kind = FALSE_BYTES;
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

int reef_reader_read(lua_State *L, struct reef_reader *r) {
	size_t n, skip, size = reef_buffer_size(&r->buffer);
	struct results results = {.kind = BYTES, .bytes = reef_buffer_bytes(&r->buffer)};
	bool found = look(r, results.bytes, size, &n, &skip);
	if (found) {
		results.n = n;
	} else if (!r->connected) {
		last_results(r, &results);
		if (r->want == REEF_WANT_ALL && size == 0)
			results.kind = FALSE;
		n = r->want == REEF_WANT_NEWS ? 0 : size;
	} else {
		if (r->paused) {
			r->paused = false;
			reef_log(handle_of(r), "Resume socket (%d)", r->id);
			reef_socket_resume(r->id);
		}
		return reef_reader_suspend(L, r, "socket read");
	}
	r->want = REEF_WANT_NOTHING;
	push_results(L, &results);
	reef_buffer_drop(&r->buffer, n + (found ? skip : 0));
	return results.count;
}

/* ---- the sink ---- */

/* Calls the Lua side: the function and its arguments are pushed by `push`, protected as well. */
struct notice {
	const char *what;
	int id;
	lua_Integer number;
	const char *bytes;
	size_t n;
	const struct reef_udp_address *from;
};

static int notify_protected(lua_State *L) {
	const struct notice *notice = lua_touserdata(L, 1);
	lua_rawgetp(L, LUA_REGISTRYINDEX, &notify_key);
	lua_pushstring(L, notice->what);
	lua_pushinteger(L, notice->id);
	lua_pushinteger(L, notice->number);
	if (notice->bytes)
		lua_pushlstring(L, notice->bytes, notice->n);
	else
		lua_pushnil(L);
	if (notice->from)
		lua_pushlstring(L, (const char *)notice->from->bytes, notice->from->size);
	else
		lua_pushnil(L);
	lua_call(L, 5, 0);
	return 0;
}

static bool notify(struct reef_host *host, struct notice *notice) {
	lua_State *L = reef_host_main(host);
	lua_pushcfunction(L, notify_protected);
	lua_pushlightuserdata(L, notice);
	if (lua_pcall(L, 1, 0, 0) == LUA_OK)
		return true;
	const char *text = lua_tostring(L, -1);
	reef_log(reef_service_handle(reef_host_service(host)), "error: socket: %s %d: %s", notice->what, notice->id,
			 text ? text : "(not a text)");
	lua_pop(L, 1);
	return false;
}

static void on_opened(void *ud, int id, const char *peer) {
	(void)peer;
	struct reef_reader *r = ud;
	if (r->want != REEF_WANT_OPEN)
		return;
	r->connected = true;
	r->started = true;
	struct results results = {.kind = ID, .n = (size_t)id};
	struct reef_task *task = take_task(r);
	go_on(task, give(r->host, task, &results), results.count, true);
}

static char *room(void *ud, int id, size_t *n) {
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
static bool keep(struct reef_reader *r, const char *bytes, size_t n) {
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

static void on_data(void *ud, int id, const char *bytes, size_t n) {
	(void)id;
	struct reef_reader *r = ud;
	bool direct = reef_buffer_size(&r->buffer) == 0 && bytes != r->buffer.data;
	if (!direct) {
		if (!keep(r, bytes, n)) {
			out_of_memory(r, n);
			return;
		}
		bytes = reef_buffer_bytes(&r->buffer);
		n = reef_buffer_size(&r->buffer);
	}
	size_t got, skip;
	struct results results = {.kind = BYTES, .bytes = bytes};
	bool found = r->task && look(r, bytes, n, &got, &skip);
	if (r->task && r->want == REEF_WANT_NEWS) {
		results.kind = TRUE;
		found = true;
		got = skip = 0;
	}
	if (!found) {
		if (direct && !keep(r, bytes, n))
			out_of_memory(r, n);
		else
			check_limits(r);
		return;
	}
	results.n = got;
	struct reef_task *task = r->task;
	bool ok = give(r->host, task, &results);
	size_t used = ok ? got + skip : 0;
	if (!direct)
		reef_buffer_drop(&r->buffer, used);
	else if (!keep(r, bytes + used, n - used))
		out_of_memory(r, n - used);
	take_task(r);
	go_on(task, ok, results.count, true);
}

static void on_accepted(void *ud, int id, int newid, const char *peer) {
	struct reef_reader *r = ud;
	if (!notify(r->host,
				&(struct notice){.what = "accept", .id = id, .number = newid, .bytes = peer, .n = strlen(peer)}))
		reef_socket_shutdown(newid);
}

static void on_datagram(void *ud, int id, const char *bytes, size_t n, const struct reef_udp_address *from) {
	struct reef_reader *r = ud;
	notify(r->host, &(struct notice){.what = "udp", .id = id, .bytes = bytes, .n = n, .from = from});
}

static void on_warning(void *ud, int id, size_t kb) {
	struct reef_reader *r = ud;
	notify(r->host, &(struct notice){.what = "warning", .id = id, .number = (lua_Integer)kb});
}

void reef_reader_finish(struct reef_reader *r, bool at_once) {
	struct reef_task *closer = r->closer;
	r->closer = NULL;
	if (r->task) {
		struct results results = {.kind = FALSE};
		last_results(r, &results);
		bool drop = r->want != REEF_WANT_NEWS;
		struct reef_task *task = take_task(r);
		struct reef_host *host = r->host;
		bool ok = give(host, task, &results);
		if (ok && drop)
			reef_buffer_drop(&r->buffer, reef_buffer_size(&r->buffer));
		go_on(task, ok, results.count, at_once);
	}
	if (closer)
		go_on(closer, true, 0, at_once);
}

void reef_reader_abandon(struct reef_reader *r) {
	struct reef_task *closer = r->closer;
	r->closer = NULL;
	if (r->task) {
		struct results results = {.kind = FALSE};
		struct reef_task *task = take_task(r);
		bool ok = give(r->host, task, &results);
		go_on(task, ok, results.count, false);
	}
	if (closer)
		go_on(closer, true, 0, false);
}

static void ended(struct reef_reader *r, bool at_once) {
	r->connected = false;
	r->paused = false;
	if (r->on_close) {
		/* Lua runs the callback in a coroutine and finishes after it. */
		r->on_close = false;
		if (notify(r->host, &(struct notice){.what = "close", .id = r->id}))
			return;
	}
	reef_reader_finish(r, at_once);
}

static void on_closed(void *ud, int id) {
	(void)id;
	ended(ud, true);
}

static void on_failed(void *ud, int id, int error, const char *text) {
	(void)error;
	struct reef_reader *r = ud;
	if (r->want == REEF_WANT_OPEN) {
		struct results results = {.kind = NIL_BYTES, .bytes = text, .n = strlen(text)};
		struct reef_task *task = take_task(r);
		bool ok = give(r->host, task, &results);
		reef_reader_forget(reef_host_main(r->host), r);
		go_on(task, ok, results.count, true);
		return;
	}
	reef_log(handle_of(r), "socket: error on %d %s", id, text);
	ended(r, true);
}

const struct reef_sink reef_reader_sink = {
		.opened = on_opened,
		.data = on_data,
		.room = room,
		.accepted = on_accepted,
		.datagram = on_datagram,
		.closed = on_closed,
		.failed = on_failed,
		.warning = on_warning,
};
