/* One name, asked for with c-ares: the hosts file, or name servers over UDP and TCP. Each lookup has a channel of its own,
 * so what the system is configured to ask is read anew, and giving up frees everything at once.
 *
 * Not thread-safe: one lookup is used by one thread at a time (resolver.c has a lock for that). */
#ifndef REEF_SOCKET_NAMES_LOOKUP_H
#define REEF_SOCKET_NAMES_LOOKUP_H

#include <stddef.h>
#include <stdint.h>

#include "answer.h"
#include "socket/fd/fd.h"

#define REEF_LOOKUP_TTL_MAX 3600u /* seconds; RFC 2181, 8: what is larger than 31 bits is 0 */

enum { REEF_LOOKUP_V4 = 1, REEF_LOOKUP_V6 = 2 };
/* Types of records (RFC 1035, 3.2.2; RFC 2782). */
enum { REEF_LOOKUP_TXT = 16, REEF_LOOKUP_SRV = 33 };

struct reef_question {
	const char *name;
	int families;            /* REEF_LOOKUP_ bits */
	int type;                /* of records that are wanted in place of addresses, of this very name; or 0 */
	const char *servers;     /* "ip:port,[v6]:port": who is asked; NULL: whom resolv_conf names */
	const char *resolv_conf; /* path; NULL: the system's, and nsswitch.conf says whether name servers are asked */
};

struct reef_lookup;

/* Begins to ask name servers. Wishes go to reef_fd_watch with `ready` and `ud`, or, when `ready` is NULL, are met by
 * reef_lookup_block. It may be done at once. */
struct reef_lookup *reef_lookup_new(const struct reef_question *question, reef_fd_ready ready, uint64_t ud);
/* `fd` is ready for `events`; with fd < 0, time has passed. */
void reef_lookup_process(struct reef_lookup *lookup, int fd, int events);
/* Waits until it is done, in any case by `deadline_ns`. */
void reef_lookup_block(struct reef_lookup *lookup, uint64_t deadline_ns);
/* When reef_lookup_process wants to be called without a descriptor (reef_now_ns); UINT64_MAX: never. */
uint64_t reef_lookup_next(const struct reef_lookup *lookup);
/* The families that have not been answered yet. */
int reef_lookup_pending(const struct reef_lookup *lookup);
/* What has been found so far, IPv6 first; belongs to the lookup. */
const struct reef_answer *reef_lookup_answer(const struct reef_lookup *lookup);
/* Was each family that is not pending answered, if only by "there is none"? */
bool reef_lookup_complete(const struct reef_lookup *lookup);
/* Why there is no answer, in the words of getaddrinfo(3); static. */
const char *reef_lookup_error(const struct reef_lookup *lookup);
void reef_lookup_delete(struct reef_lookup *lookup);

/* What the hosts file says, and RFC 6761 about `localhost`; asks nobody. The list is the caller's. */
void reef_lookup_hosts(const char *name, int families, struct reef_answer *answer);

/* Start-up only. */
void reef_lookup_setup(void);

#endif
