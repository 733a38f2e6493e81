/* All ends of connections and listeners of the simulated network, by the numbers that stand for their descriptors, and the
 * addresses that they have. Belongs to the simulation's thread. */
#ifndef REEF_SIM_ENDS_H
#define REEF_SIM_ENDS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct reef_sim_end;

#define REEF_SIM_FIRST_FD (1 << 24) /* no descriptor of the system is that large */

/* A new one, with its number. */
struct reef_sim_end *reef_sim_end_new(void);
/* Its number may be given to another. */
void reef_sim_end_free(struct reef_sim_end *end);
/* The one of that number; ends the run if there is none. */
struct reef_sim_end *reef_sim_end_of(int fd);
/* The i-th place, whether somebody has it or not; NULL behind the last. */
struct reef_sim_end *reef_sim_end_at(size_t i);
/* Who listens at that address: that of a Unix socket, or else `host` and `port`. NULL: nobody. */
struct reef_sim_end *reef_sim_end_listening(const struct sockaddr *address, socklen_t size, uint32_t host, int port);

void reef_sim_address_set(struct sockaddr_storage *to, socklen_t *to_size, uint32_t host, int port);
/* Whom it means, for the service that runs now. False: it is that of a Unix socket. */
bool reef_sim_address_read(const struct sockaddr *address, uint32_t *host, int *port);
/* As getsockname. 0. */
int reef_sim_address_copy(const struct sockaddr_storage *from, socklen_t from_size, struct sockaddr *to,
						  socklen_t *size);
/* A port for who does not care. */
int reef_sim_free_port(void);

#endif
