/* The seam of a Lua service (core/seam.h): made before its VM, by a room above that records or replays. Own slice only. */
#ifndef REEF_HOST_SEAM_H
#define REEF_HOST_SEAM_H

#include <stdbool.h>

#include <lua.h>

#include "core/seam.h"

struct reef_host;
struct reef_message;
struct reef_service;

/* As luaL_loadfilex. */
typedef int reef_host_load(lua_State *L, const char *name, const char *mode);

struct reef_host_seam {
	struct reef_seam seam;
	struct reef_host *host;
	bool started; /* it has handled its first message */
	/* The VM has its libraries and has run nothing yet. May raise. */
	void (*opened)(struct reef_host_seam *seam, lua_State *L);
	/* The first message is handled: the service's file has run. */
	void (*booted)(struct reef_host_seam *seam);
	/* A message has come. True: the service is to handle it. */
	bool (*message)(struct reef_host_seam *seam, struct reef_message *m);
	/* An event has been told, and what it woke is about to run. */
	void (*turn)(struct reef_host_seam *seam);
	/* An error that nobody caught has been logged. NULL: that is of no interest. */
	void (*failed)(struct reef_host_seam *seam);
	/* Pushes what a C module's open function gives: called in the place of that, as it is. */
	int (*module)(struct reef_host_seam *seam, lua_State *L, const char *name, lua_CFunction open);
	/* Loads a file, in the place of `load`. */
	int (*load)(struct reef_host_seam *seam, lua_State *L, const char *name, const char *mode, reef_host_load *load);
	/* The service is being released: what it leaves open is answered. */
	void (*ending)(struct reef_host_seam *seam);
	/* The service is over, and frees nothing of the seam. */
	void (*ended)(struct reef_host_seam *seam);
};

/* `make` is asked for each new service, whose arguments these are; NULL: it has none. Start-up only. */
void reef_host_set_seams(struct reef_host_seam *(*make)(struct reef_host *host, const char *arguments));

/* The service handles a message now, as if it had just come. */
void reef_host_seam_deliver(struct reef_host *host, struct reef_message *m);
/* What was woken goes on, as after an event. */
void reef_host_seam_turn(struct reef_host *host);
/* Around what a service does outside its messages and events. */
void reef_host_seam_enter(struct reef_host *host);
void reef_host_seam_leave(struct reef_host *host);

#endif
