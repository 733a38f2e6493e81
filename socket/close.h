/* Closing: what waits is still sent, for a while. With the slot locked, but for the orphans. */
#ifndef REEF_SOCKET_CLOSE_H
#define REEF_SOCKET_CLOSE_H

#include "slot.h"

/* What reef_socket_close and reef_socket_shutdown do. */
void reef_close(struct reef_slot *slot);
void reef_close_at_once(struct reef_slot *slot);
/* The service is gone: closes what it owned. */
void reef_close_orphans(uint32_t owner);

#endif
