/* Packets with a big-endian length of 2 or 4 bytes in front (socket messages of game clients), cut out of any number of
 * streams. One queue a service, in its slice. It owns what it holds; a packet that is popped belongs to the caller.
 * What is kept of an unfinished packet is about as much as has come of it, whatever its length promises. */
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

/* `header`: bytes of the length, 1 to 4; `most`: bytes of the longest packet. */
struct reef_netpack *reef_netpack_new(int header, size_t most);
void reef_netpack_delete(struct reef_netpack *queue);

/* The next n bytes of stream `id`: complete packets are queued, an incomplete one is kept for the rest of it. False: a
 * packet longer than `most` begins; the packets before it are queued, and the stream is forgotten: it cannot be read on. */
bool reef_netpack_feed(struct reef_netpack *queue, int id, const void *bytes, size_t n);
/* The same, but gives the packets away at once, in order, and queues none. `block`: the packet as a block that is the
 * function's from now on; NULL: it is still part of the bytes. The function must not touch this stream. */
typedef void (*reef_netpack_take)(void *ud, const void *packet, size_t size, void *block);
bool reef_netpack_cut(struct reef_netpack *queue, int id, const void *bytes, size_t n, reef_netpack_take take,
					  void *ud);
/* The stream has ended: forgets its incomplete packet. */
void reef_netpack_forget(struct reef_netpack *queue, int id);
/* Writes the ids of at most `max` streams to `ids` whose unfinished packet began before that time (reef_coarse_ns); how
 * many. */
size_t reef_netpack_unfinished(const struct reef_netpack *queue, uint64_t before_ns, int *ids, size_t max);
/* Complete packets in the queue. */
size_t reef_netpack_count(const struct reef_netpack *queue);
/* The oldest packet; false: there is none. */
bool reef_netpack_pop(struct reef_netpack *queue, struct reef_packet *packet);
/* Drops everything. */
void reef_netpack_clear(struct reef_netpack *queue);

#endif
