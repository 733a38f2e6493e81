/* Between lookup.c and lookup_io.c. */
#ifndef REEF_SOCKET_LOOKUP_PRIVATE_H
#define REEF_SOCKET_LOOKUP_PRIVATE_H

#include <ares.h>

void reef_lookup_use_sockets(ares_channel channel);

#endif
