/* The readers of a VM by id, and whom they tell what no coroutine waits for. In the slice of the VM's service. */
#ifndef REEF_SOCKET_LUA_READERS_H
#define REEF_SOCKET_LUA_READERS_H

#include "reader.h"

/* The table of the VM's readers, by id; pushed on L. */
void reef_readers_push(lua_State *L);
/* Puts the reader at `index` into the table under its id. */
void reef_readers_anchor(lua_State *L, const struct reef_reader *r, int index);
/* Forgets it; nothing of it may be used after the caller's last reference on a stack is gone. */
void reef_readers_forget(lua_State *L, const struct reef_reader *r);

/* Who is told of accepted connections, datagrams, warnings and ends: a Lua function (what, id, number, bytes, address),
 * which must not yield. On top of L; popped. */
void reef_readers_set_notify(lua_State *L);
struct reef_readers_notice {
	const char *what;
	int id;
	lua_Integer number;
	const char *bytes; /* NULL: none */
	size_t n;
	const struct reef_udp_address *from; /* NULL: none */
};
/* Tells it. False: it has raised an error, which is logged. */
bool reef_readers_notify(struct reef_host *host, struct reef_readers_notice *notice);

#endif
