/* Commands as Lua methods: `db:get(key)` is one C function that writes the command straight into the connection's
 * output and suspends the coroutine; its result is what the reply resumes it with.
 *
 * The first argument is a table whose [1] is a handle. While a coroutine has a connection of its own (a transaction),
 * its commands go there instead. When the connection is not ready, the handle's Lua function takes over: it connects
 * and calls again, or raises why not. Everything that can fail fails before a byte is written.
 */
#include "command.h"

#include <string.h>
#include <strings.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "encode.h"
#include "harmless.h"
#include "sharetable/overlay/frames.h"
#include "special.h"

/* A method: the upvalue of its closure. */
struct command {
	int kind;
	int most;         /* arguments that are sent at most; 0: all */
	size_t head_size; /* of what reef_redis_put_head writes, which lies at text + name_size + 1 */
	size_t name_size;
	char text[]; /* the name, for messages; NUL; the head */
};

static const char handle_tag;

struct reef_redis_handle *reef_redis_handle_at(lua_State *L, int index) {
	struct reef_redis_handle *handle = lua_touserdata(L, index);
	if (handle && lua_rawlen(L, index) == sizeof(*handle) && handle->tag == &handle_tag)
		return handle;
	return NULL;
}

struct reef_redis_handle *reef_redis_handle_new(lua_State *L) {
	struct reef_redis_handle *handle = lua_newuserdatauv(L, sizeof(*handle), REEF_REDIS_HANDLE_VALUES);
	*handle = (struct reef_redis_handle){.tag = &handle_tag};
	handle->kind = lua_toboolean(L, 4) ? REEF_REDIS_OBJECTS : 0;
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, REEF_REDIS_HANDLE_CONNECTION);
	lua_pushvalue(L, 5);
	lua_setiuservalue(L, -2, REEF_REDIS_HANDLE_BOUND);
	lua_pushvalue(L, 6);
	lua_setiuservalue(L, -2, REEF_REDIS_HANDLE_CONNECT);
	return handle;
}

static struct reef_redis_handle *command_handle_of(lua_State *L) {
	struct reef_redis_handle *handle = reef_frame_self(L, sizeof(*handle));
	if (handle == NULL || handle->tag != &handle_tag)
		luaL_error(L, "redis: this is not a connection, or it was disconnected (db:command(...) takes a colon)");
	return handle;
}

/* The handle of the connection that the running coroutine has for itself; NULL if it has none. */
static struct reef_redis_handle *own_handle(lua_State *L, struct reef_task *task) {
	int top = lua_gettop(L);
	struct reef_redis_handle *own = NULL;
	lua_rawgeti(L, 1, 1);
	if (lua_getiuservalue(L, -1, REEF_REDIS_HANDLE_BOUND) == LUA_TTABLE && lua_rawgetp(L, -1, task) == LUA_TTABLE) {
		lua_rawgeti(L, -1, 1);
		lua_rawgeti(L, -2, 2);
		if ((uint64_t)lua_tointeger(L, -1) == reef_task_serial(task))
			own = reef_redis_handle_at(L, -2);
	}
	lua_settop(L, top);
	return own;
}

/* In a transaction the names of commands are noted, so that EXEC can say which one failed. */
static void note_queued(lua_State *L, struct reef_task *task, const char *command) {
	int top = lua_gettop(L);
	lua_rawgeti(L, 1, 1);
	lua_getiuservalue(L, -1, REEF_REDIS_HANDLE_BOUND);
	if (lua_rawgetp(L, -1, task) == LUA_TTABLE && lua_getfield(L, -1, "queued") == LUA_TTABLE) {
		lua_pushstring(L, command);
		lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
	}
	lua_settop(L, top);
}

static int results(lua_State *L, int status, lua_KContext base) {
	(void)status;
	return lua_gettop(L) - (int)base;
}

/* Leaves it to Lua to make the connection ready and to call the running function again. */
static int connect_first(lua_State *L) {
	lua_Debug running;
	lua_getstack(L, 0, &running);
	lua_rawgeti(L, 1, 1);
	lua_getiuservalue(L, -1, REEF_REDIS_HANDLE_CONNECT);
	lua_remove(L, -2);
	lua_getinfo(L, "f", &running);
	lua_rotate(L, 1, 2);
	lua_callk(L, lua_gettop(L) - 1, LUA_MULTRET, 0, results);
	return results(L, LUA_OK, 0);
}

/* Decides where the running coroutine's command goes: NULL means connect_first. `bound`: to a connection of its own. */
static struct reef_redis_handle *route(lua_State *L, struct reef_task *task, bool *bound) {
	struct reef_redis_handle *handle = command_handle_of(L);
	*bound = false;
	if ((handle->remote ? handle->remote->bound : handle->connection->bound) > 0) {
		struct reef_redis_handle *own = own_handle(L, task);
		if (own)
			handle = own;
		*bound = own != NULL;
	}
	if (handle->remote)
		return handle->remote->ready ? handle : NULL;
	if (handle->connection->requests.channel.state < handle->state ||
		*reef_redis_connection_refusal(handle->connection))
		return NULL;
	return handle;
}

/* Where its commands are written. */
static struct reef_output *output_of(const struct reef_redis_handle *handle) {
	return handle->remote ? handle->remote->output() : &handle->connection->requests.channel.out;
}

/* Sends what was written and lets the task wait for the replies. */
static int send_and_wait(lua_State *L, const struct reef_redis_order *order) {
	const struct reef_redis_handle *handle = order->handle;
	if (handle->remote) {
		struct reef_wait *wait = handle->remote->send(handle->remote, L, order);
		if (wait)
			return reef_task_suspend(L, wait);
		luaL_unref(L, LUA_REGISTRYINDEX, order->ref);
		return connect_first(L);
	}
	struct reef_requests *r = &handle->connection->requests;
	size_t size = reef_channel_commit(&r->channel);
	struct reef_request *request =
			reef_requests_add(r, order->task, order->command, order->replies, size, handle->timeout_ns);
	request->kind = order->kind;
	request->ref = order->ref;
	return reef_task_suspend(L, &request->wait);
}

/* A table with names only, such as { score = 1 }, is no list of arguments. */
static void check_is_list(lua_State *L, int list, const char *command) {
	for (lua_pushnil(L); lua_next(L, list); lua_pop(L, 1)) {
		if (lua_type(L, -2) != LUA_TSTRING || strcmp(lua_tostring(L, -2), "n") != 0)
			luaL_error(L, "redis %s: argument 1 is a table, and no list of arguments (nothing was sent)", command);
	}
}

/* Writes a command with the arguments from stack index 2 on. False: some had to become text first, by code of the user's,
 * which may have changed everything; they are now. */
static bool command_encode(lua_State *L, struct reef_output *output, const struct command *command) {
	int first = 2, last = lua_gettop(L);
	const char *head = command->text + command->name_size + 1;
	if (command->most > 0 && last > first - 1 + command->most)
		lua_settop(L, last = first - 1 + command->most);
	int only = last == first ? lua_type(L, first) : LUA_TNONE;
	if (only == LUA_TTABLE) {
		struct reef_redis_list list;
		reef_redis_list_begin(L, &list, first);
		if (list.count == 0)
			check_is_list(L, first, command->text);
		reef_output_begin(output);
		reef_redis_put_head(L, output, head, command->head_size, (size_t)list.count);
		bool written = reef_redis_put_list(L, output, &list, command->text);
		if (!written)
			lua_replace(L, first);
		return written;
	}
	if (only == LUA_TNIL)
		last = first - 1;
	reef_output_begin(output);
	reef_redis_put_head(L, output, head, command->head_size, (size_t)(last - first + 1));
	return reef_redis_put_stack(L, output, first, last, command->text);
}

static int method(lua_State *L) {
	const struct command *command = reef_frame_own(L);
	struct reef_task *task = reef_task_running(L);
	struct reef_redis_handle *handle;
	bool own;
	do {
		handle = route(L, task, &own);
		if (handle == NULL)
			return connect_first(L);
	} while (!command_encode(L, output_of(handle), command));
	if (own)
		note_queued(L, task, command->text);
	const struct reef_redis_order order = {
			.handle = handle,
			.task = task,
			.command = command->text,
			.replies = 1,
			.kind = command->kind | handle->kind,
			.ref = LUA_NOREF,
	};
	return send_and_wait(L, &order);
}

int reef_redis_new_command(lua_State *L) {
	size_t size;
	const char *name = luaL_checklstring(L, 1, &size);
	const char *flags = luaL_optstring(L, 2, "");
	struct reef_output head = {0};
	reef_redis_put_count(L, &head, 0);
	reef_redis_put_bulk(L, &head, name, size);
	struct command *command = lua_newuserdatauv(L, sizeof(*command) + size + 1 + head.end, 0);
	*command = (struct command){.name_size = size, .head_size = head.end};
	memcpy(command->text, name, size + 1);
	memcpy(command->text + size + 1, head.bytes, head.end);
	reef_free(head.bytes);
	for (; *flags; flags++) {
		if (*flags == 'b')
			command->kind |= REEF_REDIS_BOOLEAN;
		else
			command->most = *flags - '0';
	}
	lua_pushcclosure(L, method, 1);
	return 1;
}

/* Writes operation `i` of the list at index 2. False: it, or one before, has to become text first; a list that has
 * them as text takes the user's place at index 2. */
static bool put_operation(lua_State *L, struct reef_output *output, lua_Integer i) {
	if (lua_rawgeti(L, 2, i) != LUA_TTABLE)
		luaL_error(L, "redis pipeline: operation %I is no table (nothing was sent)", (LUAI_UACINT)i);
	struct reef_redis_list list;
	int top = lua_gettop(L);
	reef_redis_list_begin(L, &list, top);
	if (list.count == 0)
		luaL_error(L, "redis pipeline: operation %I is empty (nothing was sent)", (LUAI_UACINT)i);
	reef_redis_put_count(L, output, (size_t)list.count);
	if (reef_redis_put_list(L, output, &list, "pipeline")) {
		lua_settop(L, top - 1);
		return true;
	}
	return false;
}

/* A copy of the list at index 2 takes its place, so that its items can be replaced. */
static void copy_operations(lua_State *L, lua_Integer count) {
	lua_createtable(L, (int)count, 0);
	for (lua_Integer i = 1; i <= count; i++) {
		lua_geti(L, 2, i);
		lua_rawseti(L, -2, i);
	}
	lua_replace(L, 2);
}

/* False: code of the user's has run, to make text of arguments or to say what is in the list. `copied`: the list at index 2
 * is ours. */
static bool encode_operations(lua_State *L, struct reef_output *output, lua_Integer count, bool *copied) {
	if (!*copied && lua_getmetatable(L, 2)) {
		copy_operations(L, count);
		lua_settop(L, 3);
		*copied = true;
		return false;
	}
	reef_output_begin(output);
	for (lua_Integer i = 1; i <= count; i++) {
		if (put_operation(L, output, i))
			continue;
		if (!*copied)
			copy_operations(L, count);
		*copied = true;
		lua_rawseti(L, 2, i);
		lua_settop(L, 3);
		return false;
	}
	return true;
}

int reef_redis_pipeline(lua_State *L) {
	struct reef_task *task = reef_task_running(L);
	luaL_checktype(L, 2, LUA_TTABLE);
	lua_settop(L, 3);
	if (!lua_isnil(L, 3))
		luaL_checktype(L, 3, LUA_TTABLE);
	struct reef_redis_handle *handle;
	lua_Integer count = luaL_len(L, 2);
	bool own, copied = false;
	do {
		handle = route(L, task, &own);
		if (handle == NULL)
			return connect_first(L);
	} while (!encode_operations(L, output_of(handle), count, &copied));
	int kind = REEF_REDIS_PIPELINE, ref = LUA_NOREF;
	if (!lua_isnil(L, 3)) {
		kind = REEF_REDIS_COLLECT;
		lua_pushvalue(L, 3);
		ref = luaL_ref(L, LUA_REGISTRYINDEX);
	}
	const struct reef_redis_order order = {
			.handle = handle,
			.task = task,
			.command = "pipeline",
			.replies = (size_t)count,
			.kind = kind | handle->kind,
			.ref = ref,
	};
	return send_and_wait(L, &order);
}

static bool has_block_option(lua_State *L, int operation) {
	bool found = false;
	for (lua_Integer i = 2; !found && lua_geti(L, operation, i) != LUA_TNIL; i++) {
		found = lua_type(L, -1) == LUA_TSTRING && strcasecmp(lua_tostring(L, -1), "block") == 0;
		lua_pop(L, 1);
	}
	lua_settop(L, operation);
	return found;
}

/* Operation `i` of the list at index 1: pushes it and its name. NULL: it is nothing that could be sent. */
static const char *operation_name(lua_State *L, lua_Integer i, size_t *size) {
	lua_settop(L, 1);
	if (lua_geti(L, 1, i) != LUA_TTABLE || lua_geti(L, 2, 1) != LUA_TSTRING)
		return NULL;
	return lua_tolstring(L, 3, size);
}

/* Pushes its first argument. NULL: that is no string. */
static const char *operation_word(lua_State *L) {
	return lua_geti(L, 2, 2) == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
}

/* Is it nothing but a name? One that the server refuses for its arguments would leave things as they are. */
static bool is_bare(lua_State *L) {
	struct reef_redis_list list;
	reef_redis_list_begin(L, &list, 2);
	return list.count == 1;
}

/* What a pipeline does, one operation after the other. */
struct inspection {
	bool blocks, watches, ends, changes, odd;
	bool watching, multi; /* now */
};

static void inspect_operation(lua_State *L, struct inspection *now, const char *name, enum reef_redis_class what) {
	if (what == REEF_REDIS_CONTAINER) {
		const char *word = operation_word(L);
		what = word ? reef_redis_classify_part(name, word) : REEF_REDIS_ORDINARY;
	}
	switch (what) {
	case REEF_REDIS_BLOCKING:
		now->blocks = true;
		break;
	case REEF_REDIS_MAYBE_BLOCK:
		lua_settop(L, 2);
		now->blocks = now->blocks || has_block_option(L, 2);
		break;
	case REEF_REDIS_WATCH:
		now->watches = now->watching = true;
		break;
	case REEF_REDIS_MULTI:
		now->odd = now->odd || now->multi || !is_bare(L);
		now->multi = true;
		break;
	case REEF_REDIS_EXEC:
	case REEF_REDIS_DISCARD:
		now->odd = now->odd || !now->multi || !is_bare(L) || what == REEF_REDIS_DISCARD;
		now->multi = now->watching = false;
		now->ends = true;
		break;
	case REEF_REDIS_UNWATCH:
		now->watching = now->watching && now->multi;
		break;
	case REEF_REDIS_STREAM:
		luaL_error(L, "redis pipeline: %s would change a connection that is shared (nothing was sent)", name);
		break;
	case REEF_REDIS_SELECT:
	case REEF_REDIS_AUTH:
	case REEF_REDIS_STATE:
	case REEF_REDIS_ONCE:
		now->changes = true;
		break;
	default:
		break;
	}
}

int reef_redis_inspect(lua_State *L) {
	struct inspection now = {0};
	size_t size;
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer count = luaL_len(L, 1);
	for (lua_Integer i = 1; i <= count; i++) {
		const char *name = operation_name(L, i, &size);
		if (lua_isnil(L, 2))
			break; /* the list is shorter than it says */
		enum reef_redis_class what = name ? reef_redis_classify(name, size) : REEF_REDIS_ORDINARY;
		if (what != REEF_REDIS_ORDINARY)
			inspect_operation(L, &now, name, what);
	}
	lua_pushboolean(L, now.blocks);
	lua_pushboolean(L, now.watches || now.odd);
	lua_pushboolean(L, now.multi || now.watching);
	lua_pushboolean(L, now.ends);
	lua_pushboolean(L, now.changes);
	lua_pushboolean(L, now.multi);
	return 6;
}

int reef_redis_doubtful(lua_State *L) {
	size_t size;
	luaL_checktype(L, 1, LUA_TTABLE);
	lua_Integer count = luaL_len(L, 1);
	bool doubtful = false;
	for (lua_Integer i = 1; i <= count && !doubtful; i++) {
		const char *name = operation_name(L, i, &size);
		if (lua_isnil(L, 2))
			break;
		if (name == NULL || reef_redis_is_harmless(name, operation_word(L)))
			continue;
		enum reef_redis_class what = reef_redis_classify(name, size);
		doubtful = what < REEF_REDIS_BLOCKING || what > REEF_REDIS_UNWATCH;
	}
	lua_pushboolean(L, doubtful);
	return 1;
}

int reef_redis_send(lua_State *L) {
	struct reef_redis_handle *handle = command_handle_of(L);
	struct reef_redis_connection *c = handle->connection;
	int last = lua_gettop(L);
	const char *command = luaL_checkstring(L, 2);
	/* Code of the user's may end the connection. */
	reef_redis_make_text(L, 2, last, command);
	bool usable = c ? c->requests.channel.state >= handle->state : handle->remote->ready;
	if (usable) {
		struct reef_output *output = output_of(handle);
		reef_output_begin(output);
		reef_redis_put_count(L, output, (size_t)last - 1);
		reef_redis_put_stack(L, output, 2, last, command);
		if (c)
			reef_channel_commit(&c->requests.channel);
		else
			handle->remote->say(handle->remote, handle);
	}
	lua_pushboolean(L, usable);
	return 1;
}
