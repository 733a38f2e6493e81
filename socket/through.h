/* The start of what stands between services and their sockets (through.c). */
#ifndef REEF_SOCKET_THROUGH_H
#define REEF_SOCKET_THROUGH_H

/* Start-up only. */
void reef_through_setup(void);

#endif
