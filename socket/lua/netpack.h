/* Packets with a 2-byte big-endian length in front (socket messages of game clients), cut out of any number of streams.
 * One queue a service, in its slice. It owns what it holds; a packet that is popped belongs to the caller. */
#ifndef REEF_SOCKET_LUA_NETPACK_H
#define REEF_SOCKET_LUA_NETPACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_netpack;

struct reef_packet {
	int id;
	void *data; /* from reef_malloc, also when size is 0 */
	size_t size;
};

struct reef_netpack *reef_netpack_new(void);
void reef_netpack_delete(struct reef_netpack *queue);

/* The next n bytes of stream `id`: complete packets are queued, an incomplete one is kept for the rest of it. */
void reef_netpack_feed(struct reef_netpack *queue, int id, const void *bytes, size_t n);
/* The stream has ended: forgets its incomplete packet. */
void reef_netpack_forget(struct reef_netpack *queue, int id);
/* Complete packets in the queue. */
size_t reef_netpack_count(const struct reef_netpack *queue);
/* The oldest packet; false: there is none. */
bool reef_netpack_pop(struct reef_netpack *queue, struct reef_packet *packet);
/* Drops everything. */
void reef_netpack_clear(struct reef_netpack *queue);

#endif
