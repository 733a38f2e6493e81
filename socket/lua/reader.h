/* A socket as the Lua library `reef.socket` sees it: a buffer, and at most one coroutine that waits for something in
 * it. Bytes that come while a coroutine waits for them go to it straight from the worker's scratch buffer: no message,
 * no dispatcher in between. All of this runs in the owner's slice.
 *
 * A reader is a Lua userdata, anchored in the VM's table of readers (readers.h) for as long as the service knows the socket;
 * that may be longer than the socket lives.
 */
#ifndef REEF_SOCKET_LUA_READER_H
#define REEF_SOCKET_LUA_READER_H

#include <lauxlib.h>
#include <lua.h>

#include "buffer.h"
#include "core/host/host.h"
#include "socket/socket.h"

enum reef_want {
	REEF_WANT_NOTHING,
	REEF_WANT_SOME,  /* any bytes */
	REEF_WANT_EXACT, /* `need` bytes */
	REEF_WANT_LINE,  /* up to the separator */
	REEF_WANT_ALL,   /* up to the end */
	REEF_WANT_NEWS,  /* to be told that something has come */
	REEF_WANT_TAKEN, /* what `taker` says */
	REEF_WANT_OPEN,  /* the connect */
};

/* A parser that reads in the place of a coroutine which waits: bytes go to it from where they were read, no string is made of
 * them. It has to stay where it is while the coroutine waits. Both functions are called in the owner's slice. */
struct reef_taker {
	/* Takes bytes; returns how many: all, or, when it sets *enough, those that it needed. Then the coroutine goes on. */
	size_t (*take)(struct reef_taker *taker, const char *bytes, size_t n, bool *enough);
	/* Pushes what the coroutine gets; returns how many values. `over`: no more comes, there was not enough. May raise. */
	int (*give)(struct reef_taker *taker, lua_State *L, bool over);
};

struct reef_reader {
	int id;
	struct reef_host *host;
	struct reef_buffer buffer;

	enum reef_want want;
	size_t need;
	struct reef_taker *taker;
	size_t scanned;
	char separator_space[8];
	char *separator; /* there, or a block of its own */
	size_t separator_size;
	struct reef_task *task; /* who waits */
	struct reef_wait wait;
	struct reef_task *closer; /* who waits in close */
	struct reef_wait closer_wait;

	size_t limit; /* buffered bytes; 0: none */
	bool connected;
	bool broken; /* the connection has ended by an error, not in order */
	bool listener;
	bool started;
	bool paused;
	bool closing;
	bool on_close; /* Lua wants to hear of the end first */
};

extern const struct reef_sink reef_reader_sink;

/* Makes a reader, pushed on L, not yet in the table. */
struct reef_reader *reef_reader_new(lua_State *L);

/* `return reef_reader_read(L, r)`: gives the running task what `r->want` says, now or later. */
int reef_reader_read(lua_State *L, struct reef_reader *r);
/* `return reef_reader_take(L, readers, id, taker)`: lets the taker have what comes, and gives the running task what it has.
 * `readers` is the index of the table that reef_readers_push pushes. Raises if the service does not have this socket, or
 * somebody reads from it. */
int reef_reader_take(lua_State *L, int readers, int id, struct reef_taker *taker);
/* The same for things that always have to come: `return reef_reader_suspend(L, r)`. */
int reef_reader_suspend(lua_State *L, struct reef_reader *r, const char *what);
int reef_reader_suspend_closer(lua_State *L, struct reef_reader *r);
/* Wakes whoever waits, as at the end of the connection. */
void reef_reader_finish(struct reef_reader *r, bool at_once);
/* Wakes a blocked reader with false, whatever is buffered. */
void reef_reader_abandon(struct reef_reader *r);

#endif
