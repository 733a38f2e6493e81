/* See reply.h.
 *
 * The values of a reply under way lie on the build stack in two slots a level: the table, and the key that waits for
 * its value in a map. hiredis keeps, for each level, an "object" of ours: the number of its slot, counted from 1 at the
 * start of the reply. A table is stored in its parent as soon as it is made, so nothing has to happen when it is full.
 */
#include "reply.h"

#include <limits.h>
#include <stdio.h>
#include <string.h>

#include <hiredis/read.h>
#include <hiredis/sds.h>
#include <lauxlib.h>

#include "long_string.h"

/* Small portions keep hiredis' shifting of its buffer cheap. */
#define PORTION 2048
/* A string that lacks more than this is received in place: into the Lua string itself ... */
#define LONG_STRING 8192
/* ... unless it is longer than this, which is more than should be allocated on a peer's word. */
#define HUGE_STRING (16 << 20)
/* No line that a server sends is longer. */
#define MAX_LINE 65536
/* What is believed of an announced length before the elements are there. */
#define PRESIZE 65536

static struct reef_redis_reader *reader_of(const redisReadTask *task) {
	return task->privdata;
}

static int slot_of(const redisReadTask *task) {
	return (int)(intptr_t)task->obj;
}

static void *refuse(struct reef_redis_reader *reader, const char *why) {
	snprintf(reader->error, sizeof(reader->error), "%s", why);
	return NULL;
}

/* Stores the value on top of the stack where it belongs. */
static bool store(struct reef_redis_reader *reader, const redisReadTask *task) {
	lua_State *L = reader->L;
	const redisReadTask *parent = task->parent;
	if (parent == NULL) {
		lua_replace(L, reader->base);
		return true;
	}
	int table = reader->base + slot_of(parent) - 1;
	if (parent->type != REDIS_REPLY_MAP) {
		lua_rawseti(L, table, task->idx + 1);
		return true;
	}
	if (task->idx % 2 == 0) {
		lua_Number n = lua_tonumber(L, -1);
		if (lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && n != n)) {
			refuse(reader, "a map has a null or NaN as key");
			return false;
		}
		lua_replace(L, table + 1);
	} else {
		lua_pushvalue(L, table + 1);
		lua_insert(L, -2);
		lua_rawset(L, table);
	}
	return true;
}

static void *stored(const redisReadTask *task) {
	return store(reader_of(task), task) ? (void *)1 : NULL;
}

/* Notes in the metatable of the whole reply which of its elements is an error, or has one inside. */
static void note_inner_error(struct reef_redis_reader *reader, const redisReadTask *task) {
	lua_State *L = reader->L;
	reader->inner_error = true;
	while (task->parent->parent)
		task = task->parent;
	if (!lua_getmetatable(L, reader->base)) {
		lua_createtable(L, 0, 4);
		lua_newtable(L);
		lua_setfield(L, -2, "failed");
		if (lua_getfield(L, LUA_REGISTRYINDEX, REEF_REDIS_PARTIAL) == LUA_TTABLE) {
			lua_getfield(L, -1, "__tostring");
			lua_setfield(L, -3, "__tostring");
			lua_getfield(L, -1, "__index");
			lua_setfield(L, -3, "__index");
		}
		lua_pop(L, 1);
		lua_pushvalue(L, -1);
		lua_setmetatable(L, reader->base);
	}
	lua_getfield(L, -1, "failed");
	lua_Integer n = (lua_Integer)lua_rawlen(L, -1);
	lua_rawgeti(L, -1, n);
	bool same = lua_tointeger(L, -1) == task->idx + 1;
	lua_pop(L, 1);
	if (!same) {
		lua_pushinteger(L, task->idx + 1);
		lua_rawseti(L, -2, n + 1);
	}
	lua_pop(L, 2);
}

static void *create_string(const redisReadTask *task, char *text, size_t size) {
	struct reef_redis_reader *reader = reader_of(task);
	if (reader->substitute) {
		reader->substitute = false;
		return stored(task);
	}
	if (task->type == REDIS_REPLY_VERB) {
		text += 4;
		size -= 4;
	}
	if (task->type == REDIS_REPLY_ERROR && task->parent)
		note_inner_error(reader, task);
	lua_pushlstring(reader->L, text, size);
	return stored(task);
}

static void *create_array(const redisReadTask *task, size_t elements) {
	struct reef_redis_reader *reader = reader_of(task);
	lua_State *L = reader->L;
	int slot = task->parent ? slot_of(task->parent) + 2 : 1;
	int top = reader->base + slot;
	if (slot / 2 >= reader->limits.depth || !lua_checkstack(L, slot + LUA_MINSTACK))
		return refuse(reader, "a reply is nested too deeply");
	if (lua_gettop(L) < top)
		lua_settop(L, top);
	int expected = elements < PRESIZE ? (int)elements : PRESIZE;
	if (task->type == REDIS_REPLY_MAP)
		lua_createtable(L, 0, expected / 2);
	else
		lua_createtable(L, expected, 0);
	lua_pushvalue(L, -1);
	lua_replace(L, top - 1);
	if (!store(reader, task))
		return NULL;
	return (void *)(intptr_t)slot;
}

static void *create_integer(const redisReadTask *task, long long value) {
	lua_pushinteger(reader_of(task)->L, value);
	return stored(task);
}

static void *create_double(const redisReadTask *task, double value, char *text, size_t size) {
	(void)text, (void)size;
	lua_pushnumber(reader_of(task)->L, value);
	return stored(task);
}

static void *create_nil(const redisReadTask *task) {
	lua_pushnil(reader_of(task)->L);
	return stored(task);
}

static void *create_bool(const redisReadTask *task, int value) {
	lua_pushboolean(reader_of(task)->L, value);
	return stored(task);
}

static redisReplyObjectFunctions functions = {
		.createString = create_string,
		.createArray = create_array,
		.createInteger = create_integer,
		.createDouble = create_double,
		.createNil = create_nil,
		.createBool = create_bool,
};

void reef_redis_reader_init(struct reef_redis_reader *reader, const struct reef_redis_limits *limits) {
	*reader = (struct reef_redis_reader){.limits = *limits, .hiredis = redisReaderCreateWithFunctions(&functions)};
	if (reader->hiredis == NULL) {
		refuse(reader, "out of memory");
		return;
	}
	reader->hiredis->privdata = reader;
	reader->hiredis->maxelements = limits->elements < INT_MAX / 4 ? (long long)limits->elements : INT_MAX / 4;
}

void reef_redis_reader_fini(struct reef_redis_reader *reader) {
	redisReaderFree(reader->hiredis);
	reader->hiredis = NULL;
}

static bool make_room(redisReader *r, size_t n) {
	char *buffer = sdsMakeRoomFor(r->buf, n);
	if (buffer)
		r->buf = buffer;
	return buffer != NULL;
}

char *reef_redis_reader_room(struct reef_redis_reader *reader, size_t *n) {
	redisReader *r = reader->hiredis;
	if (reader->direct_left > 0) {
		*n = reader->direct_left;
		return reader->direct;
	}
	if (reader->wanted < LONG_STRING || reader->error[0])
		return NULL;
	/* Believe the announced length step by step: a peer has to send as much as it makes us allocate. */
	size_t step = r->len < (1 << 20) ? 1 << 20 : r->len;
	size_t room = reader->wanted < step ? reader->wanted : step;
	if (room > INT_MAX / 2)
		room = INT_MAX / 2;
	if (!make_room(r, room))
		return NULL;
	*n = room;
	return r->buf + r->len;
}

size_t reef_redis_reader_feed(struct reef_redis_reader *reader, const char *bytes, size_t n) {
	redisReader *r = reader->hiredis;
	if (reader->error[0])
		return n;
	if (reader->direct_left > 0) {
		n = n < reader->direct_left ? n : reader->direct_left;
		if (bytes != reader->direct)
			memcpy(reader->direct, bytes, n);
		reader->direct += n;
		reader->direct_left -= n;
	} else if (bytes == r->buf + r->len) {
		sdsIncrLen(r->buf, (int)n);
		r->len = sdslen(r->buf);
	} else {
		size_t portion = reader->wanted > PORTION ? reader->wanted : PORTION;
		if (n > portion)
			n = portion;
		if (redisReaderFeed(r, bytes, n) != REDIS_OK)
			refuse(reader, r->errstr);
	}
	reader->bytes += n;
	return n;
}

/* Begins to receive the string whose header hiredis is at into a Lua string on top of the stack. For hiredis it becomes
 * an empty one. */
static void receive_directly(struct reef_redis_reader *reader, const char *data, size_t size) {
	redisReader *r = reader->hiredis;
	size_t have = (size_t)(r->buf + r->len - data);
	reader->direct = reef_push_long_string(reader->L, size);
	memcpy(reader->direct, data, have);
	reader->direct += have;
	reader->direct_left = size - have;
	reader->substitute = true;
	reader->wanted = 0;
	memcpy(r->buf + r->pos, "0\r\n", 3);
	r->len = r->pos + 3;
	sdssetlen(r->buf, r->len);
	r->buf[r->len] = '\0';
}

/* Looks at what stopped the parser: how much of a string is missing, and is what came within the limits? */
static void check_unfinished(struct reef_redis_reader *reader) {
	redisReader *r = reader->hiredis;
	reader->wanted = 0;
	if (reader->bytes > reader->limits.reply) {
		refuse(reader, "a reply is larger than the limit");
		return;
	}
	if (r->ridx < 0 || r->len == r->pos)
		return;
	const char *p = r->buf + r->pos, *end = r->buf + r->len;
	int type = r->task[r->ridx]->type;
	if ((type != REDIS_REPLY_STRING && type != REDIS_REPLY_VERB) || *p == '-') {
		if (end - p > MAX_LINE)
			refuse(reader, "a line does not end");
		return;
	}
	size_t size = 0;
	const char *start = p;
	while (p < end && *p >= '0' && *p <= '9' && p - start < 20) {
		size = size * 10 + (size_t)(*p++ - '0');
		if (size > reader->limits.reply) {
			refuse(reader, "a string is larger than the limit");
			return;
		}
	}
	if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
		reader->wanted = size + 2 - (size_t)(end - p - 2);
	else if (end - p >= 2)
		refuse(reader, "bad string length");
	if (reader->wanted > LONG_STRING && size <= HUGE_STRING && type == REDIS_REPLY_STRING)
		receive_directly(reader, p + 2, size);
}

/* RESP3 types that hiredis does not know read like others; they only come at the top. */
static void translate_type(struct reef_redis_reader *reader) {
	redisReader *r = reader->hiredis;
	bool begins = r->ridx == -1 || (r->ridx == 0 && r->task[0]->type == -1);
	if (!begins || r->pos == r->len)
		return;
	char *type = r->buf + r->pos;
	if (*type == '|') {
		*type = '%';
		reader->attribute = true;
	} else if (*type == '!') {
		*type = '$';
		reader->blob_error = true;
	}
}

static enum reef_redis_reply kind_of(const struct reef_redis_reader *reader) {
	/* The root's task keeps its type until the next reply begins. */
	int type = reader->hiredis->task[0]->type;
	if (type == REDIS_REPLY_ERROR || reader->blob_error)
		return REEF_REDIS_ERROR;
	if (type == REDIS_REPLY_PUSH)
		return REEF_REDIS_PUSH;
	return reader->inner_error ? REEF_REDIS_INNER_ERROR : REEF_REDIS_VALUE;
}

static int parse(lua_State *L) {
	struct reef_redis_reader *reader = lua_touserdata(L, 1);
	redisReader *r = reader->hiredis;
	int done = 0;
	lua_remove(L, 1);
	luaL_checkstack(L, REEF_REDIS_BATCH + LUA_MINSTACK, NULL);
	reader->L = L;
	reader->base = 1;
	if (lua_gettop(L) == 0)
		lua_pushnil(L);
	while (done < REEF_REDIS_BATCH) {
		void *reply;
		translate_type(reader);
		if (redisReaderGetReply(r, &reply) != REDIS_OK) {
			if (reader->error[0] == '\0')
				refuse(reader, r->errstr);
			break;
		}
		if (reply == NULL) {
			check_unfinished(reader);
			break;
		}
		reader->bytes = r->len - r->pos;
		lua_settop(L, reader->base);
		if (reader->attribute) {
			reader->attribute = false;
			continue;
		}
		reader->kind[done++] = (uint8_t)kind_of(reader);
		reader->inner_error = reader->blob_error = false;
		reader->base++;
		lua_pushnil(L);
	}
	lua_pushinteger(L, done);
	lua_insert(L, 1);
	return lua_gettop(L);
}

int reef_redis_reader_parse(struct reef_redis_reader *reader, lua_State *build) {
	if (reader->error[0] || reader->direct_left > 0)
		return 0;
	if (!lua_checkstack(build, LUA_MINSTACK)) {
		refuse(reader, "not enough memory");
		return 0;
	}
	lua_pushcfunction(build, parse);
	lua_pushlightuserdata(build, reader);
	lua_rotate(build, 1, 2);
	/* Whoever hands the values out needs room above them. */
	if (lua_pcall(build, lua_gettop(build) - 1, LUA_MULTRET, 0) != LUA_OK || !lua_checkstack(build, LUA_MINSTACK)) {
		/* Out of memory: hiredis was left in the middle of something. */
		refuse(reader, "not enough memory");
		lua_settop(build, 0);
		return 0;
	}
	int done = (int)lua_tointeger(build, 1);
	lua_remove(build, 1);
	return done;
}

void reef_redis_reader_drop(lua_State *build, int n) {
	lua_rotate(build, 1, -n);
	lua_pop(build, n);
}
