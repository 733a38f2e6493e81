/* Names to addresses for the rest of the room: lookups that are under way, who waits for them, and what is remembered of
 * those that have ended. No thread of its own: whoever polls goes on with a lookup. Any thread inside the engine. */
#ifndef REEF_SOCKET_RESOLVER_H
#define REEF_SOCKET_RESOLVER_H

#include "socket/lookup.h"

/* Resolves for the connecting socket `id`: reef_connect_resolved is called, once or twice, in its owner's slice. Never
 * calls it from within. The slot may be locked. */
void reef_resolver_open(uint32_t owner, int id, const char *host, int port);
/* The socket no longer waits. */
void reef_resolver_forget(int id);

/* What a service hears: n addresses, or none and why. Called once, in its slice, within 30 s. When the service ends before,
 * `answer` is NULL: called on any thread, it may do nothing but let go of `ud`. */
typedef void (*reef_looked_up)(void *ud, const struct reef_answer *answer, const char *error);
/* Looks a host name up: the hosts file, what is remembered, name servers. */
void reef_resolver_resolve(uint32_t owner, const char *host, reef_looked_up done, void *ud);
/* Asks name servers only. */
void reef_resolver_ask(uint32_t owner, const struct reef_question *question, reef_looked_up done, void *ud);
/* Gives up what was asked for with that `ud`. True: `done` is not called any more. False: it has been, or is about to. */
bool reef_resolver_cancel(void *ud);

/* Resolves here and now, blocking, with that port. false: *error (a static text). The list is the caller's. */
bool reef_resolver_now(const char *host, int port, struct reef_answer *answer, const char **error);

/* Forgets what is remembered. */
void reef_resolver_flush(void);
/* No result is delivered any more. */
void reef_resolver_stop(void);
/* Start-up only. */
void reef_resolver_setup(void);

#endif
