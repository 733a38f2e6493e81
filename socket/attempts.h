/* What a connecting socket tries: the addresses, and the descriptors on which a connect is under way. Belongs to the slot,
 * which is locked in all of this. */
#ifndef REEF_SOCKET_ATTEMPTS_H
#define REEF_SOCKET_ATTEMPTS_H

#include "slot.h"
#include "socket/names/address.h"

enum { REEF_ATTEMPTS_MAX = 8 }; /* at a time; one more takes the place of the oldest */

struct reef_attempts {
	struct reef_address *items; /* an array (core/array.h); those before `next` have been tried */
	size_t count, capacity, next;
	bool resolving; /* more may come */
	int running;
	int fds[REEF_ATTEMPTS_MAX]; /* the oldest first */
};

/* Gives the slot its attempts. */
struct reef_attempts *reef_attempts_begin(struct reef_slot *slot);
/* Gives up what is under way, if anything is. */
void reef_attempts_end(struct reef_slot *slot);
/* More addresses; families take turns in what has not been tried. */
void reef_attempts_add(struct reef_attempts *a, const struct reef_address *addresses, size_t n);
/* A connect is under way on that descriptor. */
void reef_attempts_push(struct reef_attempts *a, int fd);
/* Takes the i-th descriptor out: the caller's. */
int reef_attempts_take(struct reef_attempts *a, int i);

#endif
