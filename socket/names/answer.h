/* What a name stands for: addresses or services, and how long that is good for. The owner of the struct owns the items. */
#ifndef REEF_SOCKET_NAMES_ANSWER_H
#define REEF_SOCKET_NAMES_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "address.h"

struct reef_answer {
	struct reef_address *items; /* an array (core/array.h) */
	size_t count, capacity;
	uint32_t ttl;   /* seconds that all of it is good for, at most */
	char *services; /* of SRV: a line `priority weight port target` for each record, or NULL */
};

/* Puts an IP address at that place. */
void reef_answer_insert(struct reef_answer *answer, const struct sockaddr *address, size_t at);
/* All of it is good for no longer than this. */
void reef_answer_bound_ttl(struct reef_answer *answer, int seconds);
/* One more service. */
void reef_answer_add_service(struct reef_answer *answer, const char *line);
/* A copy with that port. */
struct reef_answer reef_answer_copy(const struct reef_answer *answer, int port);
void reef_answer_fini(struct reef_answer *answer);

#endif
