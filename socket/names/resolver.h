/* Names to addresses: lookups that are under way, who waits for them, and what is remembered of
 * those that have ended. No thread of its own: whoever polls goes on with a lookup. Any thread inside the engine. */
#ifndef REEF_SOCKET_NAMES_RESOLVER_H
#define REEF_SOCKET_NAMES_RESOLVER_H

#include "lookup.h"
#include "waiter.h"

/* Resolves for the connecting socket `id`: `found` is called, once or twice, in its owner's slice. Never calls it from
 * within. The slot may be locked. */
void reef_resolver_open(uint32_t owner, int id, const char *host, int port, reef_waiter_found found);
/* The socket no longer waits. */
void reef_resolver_forget(int id);

/* Looks a host name up: the hosts file, what is remembered, name servers. `done` is called within 30 s. */
void reef_resolver_resolve(uint32_t owner, const char *host, reef_waiter_done done, void *ud);
/* Asks name servers only. */
void reef_resolver_ask(uint32_t owner, const struct reef_question *question, reef_waiter_done done, void *ud);
/* Gives up what was asked for with that `ud`. True: `done` is not called any more. False: it has been, or is about to. */
bool reef_resolver_cancel(void *ud);

/* Resolves here and now, blocking, with that port. false: *error (a static text). The answer is the caller's. */
bool reef_resolver_now(const char *host, int port, struct reef_answer *answer, const char **error);

/* Forgets what is remembered. */
void reef_resolver_flush(void);
/* No result is delivered any more. */
void reef_resolver_stop(void);
/* Start-up only. */
void reef_resolver_setup(void);

#endif
