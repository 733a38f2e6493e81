/* See ends.h. An end has its place, and with it its number, for good. */
#include "ends.h"

#include <arpa/inet.h>
#include <string.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/sim.h"
#include "nodes.h"
#include "stream.h"

#define FIRST_PORT 32768
#define LAST_PORT 60999

static struct REEF_ARRAY(struct reef_sim_end *) ends;
static int next_port = FIRST_PORT;

/* ---- ends ---- */

struct reef_sim_end *reef_sim_end_new(void) {
	size_t i = 0;
	while (i < ends.count && ends.items[i]->state != REEF_SIM_FREE)
		i++;
	if (i == ends.count) {
		struct reef_sim_end **place = reef_array_add(&ends);
		if (place == NULL)
			reef_alloc_give_up(sizeof *place);
		*place = reef_calloc(1, sizeof **place);
	}
	struct reef_sim_end *end = ends.items[i];
	*end = (struct reef_sim_end){.state = REEF_SIM_NEW, .life = end->life, .fd = REEF_SIM_FIRST_FD + (int)i};
	return end;
}

void reef_sim_end_free(struct reef_sim_end *end) {
	reef_sim_stream_forget(end);
	reef_array_fini(&end->pending);
	end->state = REEF_SIM_FREE;
	end->life++;
}

struct reef_sim_end *reef_sim_end_of(int fd) {
	size_t i = (size_t)(fd - REEF_SIM_FIRST_FD);
	if (fd < REEF_SIM_FIRST_FD || i >= ends.count || ends.items[i]->state == REEF_SIM_FREE)
		reef_sim_refuse("a descriptor of the system in the place of a socket");
	return ends.items[i];
}

struct reef_sim_end *reef_sim_end_at(size_t i) {
	return i < ends.count ? ends.items[i] : NULL;
}

/* ---- addresses ---- */

void reef_sim_address_set(struct sockaddr_storage *to, socklen_t *to_size, uint32_t host, int port) {
	struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	address.sin_addr.s_addr = htonl(host);
	memcpy(to, &address, sizeof address);
	*to_size = sizeof address;
}

/* False: a Unix socket's. */
bool reef_sim_address_read(const struct sockaddr *address, uint32_t *host, int *port) {
	struct sockaddr_in v4;
	if (address->sa_family == AF_UNIX)
		return false;
	if (address->sa_family != AF_INET)
		reef_sim_refuse("an address of IPv6");
	memcpy(&v4, address, sizeof v4);
	*host = ntohl(v4.sin_addr.s_addr);
	*port = ntohs(v4.sin_port);
	/* Each host has a localhost, and means itself by "any address". */
	if (*host == REEF_SIM_LOCALHOST || *host == INADDR_ANY)
		*host = reef_sim_node_here();
	return true;
}

static bool is_same(const struct sockaddr_storage *a, socklen_t a_size, const struct sockaddr *b, socklen_t b_size) {
	return a_size == b_size && memcmp(a, b, a_size) == 0;
}

struct reef_sim_end *reef_sim_end_listening(const struct sockaddr *address, socklen_t size, uint32_t host, int port) {
	for (size_t i = 0; i < ends.count; i++) {
		struct reef_sim_end *end = ends.items[i];
		bool here = address->sa_family == AF_UNIX ? is_same(&end->local, end->local_size, address, size)
												  : end->port == port && end->here == host;
		if (end->state == REEF_SIM_LISTENING && here)
			return end;
	}
	return NULL;
}

int reef_sim_free_port(void) {
	int port = next_port++;
	if (next_port > LAST_PORT)
		next_port = FIRST_PORT;
	return port;
}

int reef_sim_address_copy(const struct sockaddr_storage *from, socklen_t from_size, struct sockaddr *to,
						  socklen_t *size) {
	if (to != NULL)
		memcpy(to, from, from_size < *size ? from_size : *size);
	if (size != NULL)
		*size = from_size;
	return 0;
}
