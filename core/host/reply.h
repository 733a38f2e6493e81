/* Replies to what waits for them: a coroutine, a function, a C module. Own slice only. */
#ifndef REEF_REPLY_H
#define REEF_REPLY_H

#include <stdint.h>

struct reef_host;
struct reef_message;

/* A message of type RESPONSE. */
void reef_reply_arrived(struct reef_host *host, const struct reef_message *m);
/* A message of type ERROR: the call has failed, or, with session 0, its sender is down. */
void reef_reply_failed(struct reef_host *host, const struct reef_message *m);
/* `source` is down: calls to it fail, replies owed to it are dropped. */
void reef_reply_down(struct reef_host *host, uint32_t source);

#endif
