/* The socket functions that c-ares is given. */
#ifndef REEF_SOCKET_NAMES_LOOKUP_IO_H
#define REEF_SOCKET_NAMES_LOOKUP_IO_H

#include <ares.h>

void reef_lookup_io_install(ares_channel channel);

#endif
