/* The end of a socket at once: its descriptor is closed and what it had to send is dropped. With the slot locked. */
#ifndef REEF_SOCKET_TEARDOWN_H
#define REEF_SOCKET_TEARDOWN_H

#include "slot.h"

/* DEAD. */
void reef_teardown(struct reef_slot *slot);
/* The connection is broken: DEAD, and the owner hears `failed` unless it knows of an end already. `error`: an errno, or 0
 * when the slot's error_text says it all. */
void reef_teardown_broken(struct reef_slot *slot, int error);

#endif
