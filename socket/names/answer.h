/* What a name stands for: addresses, or records of another kind, and how long that is good for. The owner of the struct
 * owns the items. */
#ifndef REEF_SOCKET_NAMES_ANSWER_H
#define REEF_SOCKET_NAMES_ANSWER_H

#include <stddef.h>
#include <stdint.h>

#include "address.h"

/* SRV (RFC 2782): the host that has a service, and its port. TXT (RFC 1035): its strings as one. */
struct reef_record {
	char *text; /* ends with a zero byte behind `length` */
	size_t length;
	int port;
};

struct reef_records {
	struct reef_record *items; /* an array (core/array.h) */
	size_t count, capacity;
};

struct reef_answer {
	struct reef_address *items; /* an array (core/array.h) */
	size_t count, capacity;
	struct reef_records records;
	uint32_t ttl; /* seconds that all of it is good for, at most */
};

/* Puts an IP address at that place. */
void reef_answer_insert(struct reef_answer *answer, const struct sockaddr *address, size_t at);
/* A record; the text is copied. */
void reef_answer_add_record(struct reef_answer *answer, const char *text, size_t length, int port);
/* All of it is good for no longer than this. */
void reef_answer_bound_ttl(struct reef_answer *answer, int seconds);
/* A copy with that port. */
struct reef_answer reef_answer_copy(const struct reef_answer *answer, int port);
void reef_answer_fini(struct reef_answer *answer);

#endif
