/* Who waits for a name, and the result on its way to him: an event for his service. */
#ifndef REEF_SOCKET_NAMES_WAITER_H
#define REEF_SOCKET_NAMES_WAITER_H

#include <stdbool.h>

#include "answer.h"
#include "core/list.h"
#include "core/message.h"

/* What a connecting socket hears: n addresses; `last`: no more will come, and without any `error` says why. */
typedef void (*reef_waiter_found)(int id, const struct reef_address *addresses, size_t n, bool last, const char *error);
/* What a service hears: addresses, or none and why. Called once, in its slice. When the service ends before, `answer` is
 * NULL: called on any thread, it may do nothing but let go of `ud`. */
typedef void (*reef_waiter_done)(void *ud, const struct reef_answer *answer, const char *error);

struct reef_waiter {
	struct reef_event event;
	struct reef_link link; /* for whoever keeps it */
	uint32_t owner;
	reef_waiter_found found; /* of a connecting socket: */
	int id, port;
	reef_waiter_done done; /* of anybody else: */
	void *ud;
	struct reef_answer answer;
	bool last;
	const char *error;
};

struct reef_waiter *reef_waiter_new(uint32_t owner);
void reef_waiter_delete(struct reef_waiter *w);
/* The service is gone, or nothing is resolved any more: he hears it on this thread. Takes w. */
void reef_waiter_drop(struct reef_waiter *w);
/* Takes w. */
void reef_waiter_send(struct reef_waiter *w, const struct reef_answer *answer, bool last, const char *error);

#endif
