/* skynet.stm: one block of bytes that a writer replaces and readers in other services look at.
 *
 * Writer and readers share a cell, counted; the cell holds the newest block, counted, too, so that a reader may work on one
 * while the writer puts the next in its place. A lock guards the exchange, nothing else.
 *
 * Of a service that is recorded (core/seam.h) the record has what it writes, to be compared, and what it reads. In a replay a
 * reader has no cell. */
#include "lua_stm.h"

#include <pthread.h>
#include <stdalign.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/seam.h"
#include "core/text.h"

struct block {
	size_t users; /* the cell, and reads under way */
	size_t size;
	void *data;
};

struct cell {
	pthread_mutex_t lock;
	size_t users; /* the writer, readers, copies on their way */
	struct block *block;
	uint64_t version; /* of the block; 0 when the writer is gone */

	size_t copies; /* on their way; with the next cell of the bucket guarded by the lock of the copies */
	struct cell *next;
};

/* Cells that have copies on their way. A copy is a pointer that went through Lua: it is looked at if it is found here. */
static struct {
	pthread_mutex_t lock;
	struct cell *buckets[256];
} copies = {.lock = PTHREAD_MUTEX_INITIALIZER};

struct writer {
	struct cell *cell;
};

struct reader {
	struct cell *cell;
	uint64_t version; /* that was read last */
	struct block *reading;
	const struct reader *outer; /* that was reading when this one began */
	bool replayed;
};

/* Those reading on this thread, the innermost first. A reader's function cannot yield, so they nest. */
static _Thread_local const struct reader *readers;

static const char writer_type[] = "reef.stm.writer";
static const char reader_type[] = "reef.stm.reader";

static struct cell **lua_stm_bucket_of(const void *cell) {
	return &copies.buckets[(uintptr_t)cell / alignof(max_align_t) % (sizeof(copies.buckets) / sizeof(*copies.buckets))];
}

static void put_copy(struct cell *cell) {
	pthread_mutex_lock(&copies.lock);
	if (cell->copies++ == 0) {
		struct cell **bucket = lua_stm_bucket_of(cell);
		cell->next = *bucket;
		*bucket = cell;
	}
	pthread_mutex_unlock(&copies.lock);
}

/* NULL: there is no such copy, or it was taken. */
static struct cell *take_copy(const void *copy) {
	pthread_mutex_lock(&copies.lock);
	struct cell **at = lua_stm_bucket_of(copy);
	while (*at != NULL && *at != copy)
		at = &(*at)->next;
	struct cell *cell = *at;
	if (cell != NULL && --cell->copies == 0)
		*at = cell->next;
	pthread_mutex_unlock(&copies.lock);
	return cell;
}

/* With the lock held. Returns what is to be freed without it. */
static struct block *leave_block(struct block *block) {
	return block != NULL && --block->users == 0 ? block : NULL;
}

static void free_block(struct block *block) {
	if (block != NULL) {
		reef_free(block->data);
		reef_free(block);
	}
}

/* Is there anything outside, for what is to be done? */
static bool stm_act(const char *what, const struct block *block) {
	struct reef_seam *seam = reef_seam_here();
	struct reef_text text = {0};
	if (seam == NULL)
		return true;
	reef_text_add(&text, what, strlen(what));
	if (block)
		reef_text_add(&text, block->data, block->size);
	bool real = seam->act(seam, REEF_SEAM_CALL, &(struct reef_seam_about){.bytes = text.data, .size = text.size});
	reef_text_free(&text);
	return real;
}

static void leave_cell(struct cell *cell) {
	pthread_mutex_lock(&cell->lock);
	bool last = --cell->users == 0;
	pthread_mutex_unlock(&cell->lock);
	if (last) {
		free_block(cell->block);
		pthread_mutex_destroy(&cell->lock);
		reef_free(cell);
	}
}

static struct cell *check_writer(lua_State *L) {
	struct writer *writer = luaL_checkudata(L, 1, writer_type);
	luaL_argcheck(L, writer->cell != NULL, 1, "this writer was collected");
	return writer->cell;
}

/* Are these the bytes that a reader's function was given? They are lent to it, so nobody may own them. */
static bool is_being_read(const void *data) {
	for (const struct reader *reader = readers; reader != NULL; reader = reader->outer) {
		if (reader->reading != NULL && reader->reading->data == data)
			return true;
	}
	return false;
}

/* A block of the arguments from `index`: a string, or a pointer (which it owns from now on) and a size. */
static struct block *lua_stm_block_of(lua_State *L, int index) {
	size_t size;
	void *data;
	if (lua_type(L, index) == LUA_TSTRING) {
		const char *s = lua_tolstring(L, index, &size);
		data = reef_try_malloc(size + 1);
		if (data == NULL)
			luaL_error(L, "not enough memory");
		memcpy(data, s, size + 1);
	} else {
		luaL_checktype(L, index, LUA_TLIGHTUSERDATA);
		data = lua_touserdata(L, index);
		luaL_argcheck(L, !is_being_read(data), index,
					  "these bytes are lent by a reader: give a copy (skynet.tostring)");
		lua_Integer n = luaL_checkinteger(L, index + 1);
		luaL_argcheck(L, n >= 0, index + 1, "negative size");
		size = (size_t)n;
	}
	struct block *block = reef_try_malloc(sizeof(*block));
	if (block == NULL) {
		reef_free(data);
		luaL_error(L, "not enough memory");
	}
	*block = (struct block){.users = 1, .size = size, .data = data};
	return block;
}

/* new(string | pointer, size) -> writer */
static int lua_stm_new(lua_State *L) {
	lua_settop(L, 2);
	struct writer *writer = lua_newuserdatauv(L, sizeof(*writer), 0);
	writer->cell = NULL;
	luaL_setmetatable(L, writer_type);
	struct block *block = lua_stm_block_of(L, 1);
	(void)stm_act("skynet.stm.new ", block);
	writer->cell = reef_try_malloc(sizeof(struct cell));
	if (writer->cell == NULL) {
		free_block(block);
		return luaL_error(L, "not enough memory");
	}
	*writer->cell = (struct cell){.users = 1, .block = block, .version = 1};
	pthread_mutex_init(&writer->cell->lock, NULL);
	return 1;
}

/* writer(string | pointer, size) */
static int l_write(lua_State *L) {
	struct cell *cell = check_writer(L);
	struct block *block = lua_stm_block_of(L, 2);
	(void)stm_act("skynet.stm writes ", block);
	pthread_mutex_lock(&cell->lock);
	struct block *old = leave_block(cell->block);
	cell->block = block;
	cell->version++;
	pthread_mutex_unlock(&cell->lock);
	free_block(old);
	return 0;
}

static int l_writer_gc(lua_State *L) {
	struct writer *writer = luaL_checkudata(L, 1, writer_type);
	if (writer->cell != NULL) {
		pthread_mutex_lock(&writer->cell->lock);
		writer->cell->version = 0;
		pthread_mutex_unlock(&writer->cell->lock);
		leave_cell(writer->cell);
		writer->cell = NULL;
	}
	return 0;
}

/* copy(writer) -> pointer, for one newcopy in any service */
static int l_copy(lua_State *L) {
	struct cell *cell = check_writer(L);
	pthread_mutex_lock(&cell->lock);
	cell->users++;
	pthread_mutex_unlock(&cell->lock);
	put_copy(cell);
	/* Others are told of it by its address. */
	int64_t address = reef_seam_number(REEF_SEAM_RESULT, (int64_t)(uintptr_t)cell);
	lua_pushlightuserdata(L, (void *)(uintptr_t)address);
	return 1;
}

/* newcopy(pointer) -> reader */
static int l_newcopy(lua_State *L) {
	luaL_checktype(L, 1, LUA_TLIGHTUSERDATA);
	struct reader *reader = lua_newuserdatauv(L, sizeof(*reader), 0);
	*reader = (struct reader){0};
	luaL_setmetatable(L, reader_type);
	reader->replayed = !stm_act("skynet.stm.newcopy", NULL);
	if (!reader->replayed)
		reader->cell = take_copy(lua_touserdata(L, 1));
	luaL_argcheck(L, reef_seam_number(REEF_SEAM_RESULT, reader->cell != NULL), 1,
				  "no copy of a writer, or it was taken: each is for one reader");
	return 1;
}

static void end_read(struct reader *reader) {
	struct block *old = reader->reading;
	if (reader->cell) {
		pthread_mutex_lock(&reader->cell->lock);
		old = leave_block(old);
		pthread_mutex_unlock(&reader->cell->lock);
	}
	reader->reading = NULL;
	free_block(old);
}

/* What is there that was not read yet, to be ended by end_read; NULL: nothing. */
static struct block *begin_read(struct reader *reader) {
	pthread_mutex_lock(&reader->cell->lock);
	bool fresh = reader->cell->version != 0 && reader->cell->version != reader->version;
	if (fresh) {
		reader->version = reader->cell->version;
		reader->reading = reader->cell->block;
		reader->reading->users++;
	}
	pthread_mutex_unlock(&reader->cell->lock);
	return reader->reading;
}

/* The same through the seam: in a replay a block of the reader's own, of which it knows. */
static struct block *read_through(struct reef_seam *seam, struct reader *reader) {
	struct block *block = stm_act("skynet.stm reads", NULL) && reader->cell ? begin_read(reader) : NULL;
	bool fresh = seam->number(seam, REEF_SEAM_STATE, block != NULL);
	if (!fresh)
		return NULL;
	size_t size = block ? block->size : 0;
	const char *bytes = seam->block(seam, REEF_SEAM_STATE, block ? block->data : NULL, &size);
	if (block)
		return block;
	block = reef_malloc(sizeof(*block));
	*block = (struct block){.users = 1, .size = size, .data = reef_malloc(size + 1)};
	if (size > 0)
		memcpy(block->data, bytes, size);
	reader->reading = block;
	return block;
}

/* reader(f [, ud]) -> true, what f(pointer, size, ud) returns; or false if there is nothing new */
static int l_read(lua_State *L) {
	struct reader *reader = luaL_checkudata(L, 1, reader_type);
	luaL_argcheck(L, reader->cell != NULL || reader->replayed, 1, "this reader was collected");
	lua_settop(L, 3);
	if (reader->reading != NULL)
		return luaL_error(L, "stm: this reader is reading already");
	struct reef_seam *seam = reef_seam_here();
	const struct block *block = seam ? read_through(seam, reader) : begin_read(reader);
	if (block == NULL) {
		lua_pushboolean(L, 0);
		return 1;
	}
	lua_pushboolean(L, 1);
	lua_insert(L, 2); /* reader, true, f, ud */
	lua_pushlightuserdata(L, block->data);
	lua_insert(L, 4);
	lua_pushinteger(L, (lua_Integer)block->size);
	lua_insert(L, 5);
	reader->outer = readers;
	readers = reader;
	int status = lua_pcall(L, 3, LUA_MULTRET, 0);
	readers = reader->outer;
	end_read(reader);
	return status == LUA_OK ? lua_gettop(L) - 1 : lua_error(L);
}

static int l_reader_gc(lua_State *L) {
	struct reader *reader = luaL_checkudata(L, 1, reader_type);
	/* Its function runs, which looks at the bytes: this is not the collector. */
	if (reader->reading != NULL)
		return 0;
	if (reader->cell != NULL)
		leave_cell(reader->cell);
	reader->cell = NULL;
	reader->replayed = false;
	return 0;
}

static void make_type(lua_State *L, const char *name, lua_CFunction call, lua_CFunction gc) {
	luaL_newmetatable(L, name);
	lua_pushcfunction(L, call);
	lua_setfield(L, -2, "__call");
	lua_pushcfunction(L, gc);
	lua_setfield(L, -2, "__gc");
	lua_pop(L, 1);
}

int reef_stm_open(lua_State *L) {
	static const luaL_Reg functions[] = {{"new", lua_stm_new}, {"copy", l_copy}, {"newcopy", l_newcopy}, {NULL, NULL}};
	make_type(L, writer_type, l_write, l_writer_gc);
	make_type(L, reader_type, l_read, l_reader_gc);
	luaL_newlib(L, functions);
	return 1;
}
