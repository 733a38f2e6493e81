/* Messages to coroutines. Own slice only. */
#ifndef REEF_DISPATCH_H
#define REEF_DISPATCH_H

#include <stdbool.h>

struct reef_host;
struct reef_message;
struct reef_service;

/* One message through the dispatcher; the caller ends the turn. */
void reef_dispatch(struct reef_host *host, struct reef_message *m);
/* The same as a service's callback (`ud` is the host), with the turn's end. */
void reef_dispatch_callback(struct reef_service *service, void *ud, struct reef_message *m);

/* From now on `take` sees every message of the service first; true: it has handled that message, which is freed
 * afterwards. It runs no Lua itself: what it wakes goes on after reef_service_turn_end. */
void reef_dispatch_intercept(struct reef_host *host, bool (*take)(void *ud, struct reef_message *m), void *ud);

#endif
