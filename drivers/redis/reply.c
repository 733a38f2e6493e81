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
/* What is believed of an announced length before the elements are there. */
#define PRESIZE 65536
/* A string whose size has at most so many digits is read here where nothing is special about it ... */
#define PLAIN_DIGITS 7
/* ... if there is a `$`, that many and an end of line. */
#define PLAIN_HEAD (PLAIN_DIGITS + 3)

static struct reef_redis_reader *reader_of(const redisReadTask *task) {
	return task->privdata;
}

/* An aggregate's object is its slot; of an attribute, whose values nobody wants, the slot with a minus. */
static inline bool is_attribute(const redisReadTask *task) {
	return (intptr_t)task->obj < 0;
}

static inline int slot_of(const redisReadTask *task) {
	int slot = (int)(intptr_t)task->obj;
	return slot < 0 ? -slot : slot;
}

static bool in_attribute(const redisReadTask *task) {
	while (task && !is_attribute(task))
		task = task->parent;
	return task != NULL;
}

static void *reply_refuse(struct reef_redis_reader *reader, const char *why) {
	snprintf(reader->error, sizeof(reader->error), "%s", why);
	return NULL;
}

/* Stores the value on top of the stack: the whole reply, or in an attribute or a map. */
static bool store_elsewhere(struct reef_redis_reader *reader, const redisReadTask *task) {
	lua_State *L = reader->L;
	const redisReadTask *parent = task->parent;
	if (parent == NULL) {
		lua_replace(L, reader->base);
		return true;
	}
	if (is_attribute(parent)) {
		lua_pop(L, 1);
		return true;
	}
	int table = reader->base + slot_of(parent) - 1;
	if (task->idx % 2 == 0) {
		lua_Number n = lua_tonumber(L, -1);
		if (lua_isnil(L, -1) || (lua_type(L, -1) == LUA_TNUMBER && n != n)) {
			reply_refuse(reader, "a map has a null or NaN as key");
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

/* Stores the value on top of the stack where it belongs. */
static inline bool store(struct reef_redis_reader *reader, const redisReadTask *task) {
	const redisReadTask *parent = task->parent;
	if (parent == NULL || parent->type == REDIS_REPLY_MAP || is_attribute(parent))
		return store_elsewhere(reader, task);
	lua_rawseti(reader->L, reader->base + (int)(intptr_t)parent->obj - 1, task->idx + 1);
	return true;
}

/* What RESP3 has and hiredis does not know becomes what it knows, where the next item begins: attributes are read as maps,
 * blob errors as strings, and a plus before a digit is left out. `at` may be the end, where a NUL is. */
static void translate(struct reef_redis_reader *reader, size_t at) {
	redisReader *r = reader->hiredis;
	char *type = r->buf + at;
	if (*type == '|') {
		*type = '%';
		reader->attribute_next = true;
	} else if (*type == '!') {
		*type = '$';
		reader->error_next = reader->special = true;
	} else if (*type == ':' && r->len - at >= 3 && type[1] == '+' && type[2] >= '0' && type[2] <= '9') {
		type[1] = ':';
		r->pos++;
	}
}

/* The bulk string that lies at `p`, in the one spelling that there is for nearly all: complete, its size without a sign
 * or a zero too many. NULL: it is none, and hiredis has to say what it is. */
static inline const char *plain_string(const char *p, const char *end, size_t *size) {
	if (end - p < PLAIN_HEAD || *p != '$')
		return NULL;
	unsigned n = (unsigned)(*++p - '0');
	if (n > 9)
		return NULL;
	for (int digits = 1; *++p != '\r'; digits++) {
		unsigned digit = (unsigned)(*p - '0');
		if (digit > 9 || n == 0 || digits == PLAIN_DIGITS)
			return NULL;
		n = n * 10 + digit;
	}
	if (p[1] != '\n' || (size_t)(end - p) < n + 4 || p[n + 2] != '\r' || p[n + 3] != '\n')
		return NULL;
	*size = n;
	return p + 2;
}

/* The value on top of the stack is the task's; what follows it inside the same reply begins at `next`. */
static inline void *stored(const redisReadTask *task, const char *next) {
	struct reef_redis_reader *reader = reader_of(task);
	if (!store(reader, task))
		return NULL;
	if (task->parent && *next != '$')
		translate(reader, (size_t)(next - reader->hiredis->buf));
	return (void *)1;
}

/* hiredis has read the line that it makes something of, and stands behind it. */
static void *stored_line(const redisReadTask *task) {
	const redisReader *r = reader_of(task)->hiredis;
	return stored(task, r->buf + r->pos);
}

/* The same for a string, and with it those that follow in the same list: hiredis goes on behind them. */
static void *stored_strings(struct reef_redis_reader *reader, const redisReadTask *task, const char *next) {
	const redisReadTask *parent = task->parent;
	redisReader *r = reader->hiredis;
	const char *end = r->buf + r->len, *text;
	size_t size;
	if (parent == NULL || parent->type == REDIS_REPLY_MAP || is_attribute(parent))
		return stored(task, next);
	int list = reader->base + (int)(intptr_t)parent->obj - 1;
	lua_Integer i = task->idx + 1;
	lua_rawseti(reader->L, list, i);
	for (; i < parent->elements && (text = plain_string(next, end, &size)) != NULL; next = text + size + 2) {
		lua_pushlstring(reader->L, text, size);
		lua_rawseti(reader->L, list, ++i);
		r->pos += (size_t)(text + size + 2 - next);
	}
	r->task[r->ridx]->idx = (int)i - 1;
	if (*next != '$')
		translate(reader, (size_t)(next - r->buf));
	return (void *)1;
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

/* The string is an error. */
static void reply_note_error(struct reef_redis_reader *reader, const redisReadTask *task) {
	if (in_attribute(task->parent))
		return;
	if (task->parent)
		note_inner_error(reader, task);
	else
		reader->blob_error = reader->error_next;
}

/* A verbatim string, an error, or one that was received into its place already. */
static void *create_special_string(const redisReadTask *task, const char *text, size_t size) {
	struct reef_redis_reader *reader = reader_of(task);
	bool substitute = reader->substitute;
	if (task->type == REDIS_REPLY_ERROR || reader->error_next)
		reply_note_error(reader, task);
	reader->substitute = reader->error_next = reader->special = false;
	size_t skip = task->type == REDIS_REPLY_VERB ? 4 : 0;
	if (!substitute)
		lua_pushlstring(reader->L, text + skip, size - skip);
	return stored(task, text + size + 2);
}

static void *create_string(const redisReadTask *task, char *text, size_t size) {
	struct reef_redis_reader *reader = reader_of(task);
	/* hiredis skips what ends a string unseen; lines it has seen. */
	if (memcmp(text + size, "\r\n", 2) != 0)
		return reply_refuse(reader, "a string has the wrong length");
	if ((task->type != REDIS_REPLY_STRING && task->type != REDIS_REPLY_STATUS) || reader->special)
		return create_special_string(task, text, size);
	lua_pushlstring(reader->L, text, size);
	return stored_strings(reader, task, text + size + 2);
}

/* The aggregate that begins is an attribute. It is no element of the one that it is in: hiredis goes on with the same
 * place behind it. */
static bool begin_attribute(struct reef_redis_reader *reader, const redisReadTask *task) {
	if (!reader->attribute_next)
		return false;
	reader->attribute_next = false;
	if (task->parent)
		reader->hiredis->task[reader->hiredis->ridx]->idx--;
	else
		reader->attribute = true;
	return true;
}

static void *create_array(const redisReadTask *task, size_t elements) {
	struct reef_redis_reader *reader = reader_of(task);
	lua_State *L = reader->L;
	bool attribute = begin_attribute(reader, task);
	int slot = task->parent ? slot_of(task->parent) + 2 : 1;
	int top = reader->base + slot;
	if (slot / 2 >= reader->limits.depth || !lua_checkstack(L, slot + LUA_MINSTACK))
		return reply_refuse(reader, "a reply is nested too deeply");
	if (lua_gettop(L) < top)
		lua_settop(L, top);
	int expected = elements < PRESIZE ? (int)elements : PRESIZE;
	if (task->type == REDIS_REPLY_MAP)
		lua_createtable(L, 0, expected / 2);
	else
		lua_createtable(L, expected, 0);
	lua_pushvalue(L, -1);
	lua_replace(L, top - 1);
	if (attribute)
		lua_pop(L, 1);
	else if (!store(reader, task))
		return NULL;
	if (elements > 0 || task->parent)
		translate(reader, reader->hiredis->pos);
	return (void *)(intptr_t)(attribute ? -slot : slot);
}

static void *create_integer(const redisReadTask *task, long long value) {
	lua_pushinteger(reader_of(task)->L, value);
	return stored_line(task);
}

static void *create_double(const redisReadTask *task, double value, char *text, size_t size) {
	(void)text, (void)size;
	lua_pushnumber(reader_of(task)->L, value);
	return stored_line(task);
}

static void *create_nil(const redisReadTask *task) {
	struct reef_redis_reader *reader = reader_of(task);
	reader->error_next = reader->special = false;
	if (begin_attribute(reader, task)) {
		translate(reader, reader->hiredis->pos);
		return (void *)1;
	}
	lua_pushnil(reader->L);
	/* Of a string hiredis has not passed the "-1" yet. */
	if (task->type == REDIS_REPLY_STRING || task->type == REDIS_REPLY_VERB)
		return stored(task, reader->hiredis->buf + reader->hiredis->pos + sizeof("-1\r\n") - 1);
	return stored_line(task);
}

static void *create_bool(const redisReadTask *task, int value) {
	lua_pushboolean(reader_of(task)->L, value);
	return stored_line(task);
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
		reply_refuse(reader, "out of memory");
		return;
	}
	reader->hiredis->privdata = reader;
	reader->hiredis->maxelements = limits->elements < INT_MAX / 4 ? (long long)limits->elements : INT_MAX / 4;
}

void reef_redis_reader_fini(struct reef_redis_reader *reader) {
	redisReaderFree(reader->hiredis);
	reader->hiredis = NULL;
}

static bool reply_make_room(redisReader *r, size_t n) {
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
	if (!reply_make_room(r, room))
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
		size_t portion = reader->wanted > PORTION ? reader->wanted : reader->line > PORTION ? n : PORTION;
		if (n > portion)
			n = portion;
		if (redisReaderFeed(r, bytes, n) != REDIS_OK)
			reply_refuse(reader, r->errstr);
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
	reader->substitute = reader->special = true;
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
		reply_refuse(reader, "a reply is larger than the limit");
		return;
	}
	if (r->ridx < 0 || r->len == r->pos)
		return;
	const char *p = r->buf + r->pos, *end = r->buf + r->len;
	int type = r->task[r->ridx]->type;
	if ((type != REDIS_REPLY_STRING && type != REDIS_REPLY_VERB) || *p == '-') {
		reader->line = (size_t)(end - p);
		return;
	}
	size_t size = 0;
	const char *start = p;
	while (p < end && *p >= '0' && *p <= '9' && p - start < 20) {
		size = size * 10 + (size_t)(*p++ - '0');
		if (size > reader->limits.reply) {
			reply_refuse(reader, "a string is larger than the limit");
			return;
		}
	}
	if (end - p >= 2 && p[0] == '\r' && p[1] == '\n')
		reader->wanted = size + 2 - (size_t)(end - p - 2);
	else if (end - p >= 2)
		reply_refuse(reader, "bad string length");
	if (reader->wanted > LONG_STRING && size <= HUGE_STRING && type == REDIS_REPLY_STRING)
		receive_directly(reader, p + 2, size);
}

/* Sees to what hiredis does not know where it stands: before an item, or behind the ':' of an integer. */
static void translate_next(struct reef_redis_reader *reader) {
	redisReader *r = reader->hiredis;
	int type = r->ridx < 0 ? -1 : r->task[r->ridx]->type;
	if (type == -1)
		translate(reader, r->pos);
	else if (type == REDIS_REPLY_INTEGER && r->len - r->pos >= 2 && r->buf[r->pos] == '+' &&
			 r->buf[r->pos + 1] >= '0' && r->buf[r->pos + 1] <= '9')
		r->pos++;
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

/* Is the next reply a plain string? Then it is the value at `base`. */
static bool read_plain_string(struct reef_redis_reader *reader) {
	redisReader *r = reader->hiredis;
	size_t size;
	if (reader->special || r->ridx > 0 || (r->ridx == 0 && r->task[0]->type != -1))
		return false;
	const char *text = plain_string(r->buf + r->pos, r->buf + r->len, &size);
	if (text == NULL)
		return false;
	r->pos = (size_t)(text + size + 2 - r->buf);
	reader->bytes = r->len - r->pos;
	lua_settop(reader->L, reader->base - 1);
	lua_pushlstring(reader->L, text, size);
	return true;
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
		if (read_plain_string(reader)) {
			reader->kind[done++] = REEF_REDIS_VALUE;
			reader->base++;
			lua_pushnil(L);
			continue;
		}
		translate_next(reader);
		if (redisReaderGetReply(r, &reply) != REDIS_OK) {
			if (reader->error[0] == '\0')
				reply_refuse(reader, r->errstr);
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
	reader->done = done;
	return lua_gettop(L);
}

/* Is a line under way that does not end yet? hiredis would look at all of it again. */
static bool lacks_line_end(struct reef_redis_reader *reader) {
	redisReader *r = reader->hiredis;
	size_t have = r->len - r->pos, seen = reader->line;
	if (seen == 0)
		return false;
	reader->line = 0;
	if (memchr(r->buf + r->pos + seen, '\n', have - seen))
		return false;
	if (reader->bytes > reader->limits.reply)
		reply_refuse(reader, "a reply is larger than the limit");
	reader->line = have;
	return true;
}

int reef_redis_reader_parse(struct reef_redis_reader *reader, lua_State *build) {
	if (reader->error[0] || reader->direct_left > 0 || lacks_line_end(reader))
		return 0;
	if (!lua_checkstack(build, LUA_MINSTACK)) {
		reply_refuse(reader, "not enough memory");
		return 0;
	}
	lua_pushcfunction(build, parse);
	lua_pushlightuserdata(build, reader);
	lua_rotate(build, 1, 2);
	/* Whoever hands the values out needs room above them. */
	if (lua_pcall(build, lua_gettop(build) - 1, LUA_MULTRET, 0) != LUA_OK || !lua_checkstack(build, LUA_MINSTACK)) {
		/* Out of memory: hiredis was left in the middle of something. */
		reply_refuse(reader, "not enough memory");
		lua_settop(build, 0);
		return 0;
	}
	return reader->done;
}

bool reef_redis_reader_is_answering(const struct reef_redis_reader *reader) {
	const redisReader *r = reader->hiredis;
	int type = r->ridx < 0 ? -1 : r->task[0]->type;
	return type != -1 && type != REDIS_REPLY_PUSH && !reader->attribute && !reader->attribute_next;
}

void reef_redis_reader_drop(lua_State *build, int n) {
	int left = lua_gettop(build) - n;
	for (int i = 1; i <= left; i++)
		lua_copy(build, n + i, i);
	lua_settop(build, left);
}
