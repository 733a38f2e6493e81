/* Members of the channel's protocol: what the server sends becomes replies, and goes to those who asked. */
#ifndef REEF_REDIS_DELIVER_H
#define REEF_REDIS_DELIVER_H

#include <stddef.h>

struct reef_channel;

char *reef_redis_room(struct reef_channel *channel, size_t *n);
void reef_redis_deliver(struct reef_channel *channel, const char *bytes, size_t n);

#endif
