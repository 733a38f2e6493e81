/* Start-up of the room. */
#ifndef REEF_SOCKET_SETUP_H
#define REEF_SOCKET_SETUP_H

/* Registers with the poller and for the ends of services and of the process. */
void reef_socket_setup(void);

#endif
