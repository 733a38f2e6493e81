/* What callers and a pool's service say to each other.
 *
 * A caller sends a message of type REEF_POOL_PTYPE: this header and, behind it, a request as the server shall see it.
 * The answer is the response message of that session: the bytes of the reply as the server sent them. When there is
 * none, the answer is a REEF_PTYPE_ERROR whose payload is a struct reef_pool_failure; any other text comes from the
 * engine, because the pool's service has ended. Both sides are in one process, so the structs are sent as they are.
 */
#ifndef REEF_POOL_WIRE_H
#define REEF_POOL_WIRE_H

#include <stdbool.h>
#include <stdint.h>

#define REEF_POOL_PTYPE 254

enum reef_pool_kind {
	REEF_POOL_REQUEST, /* on a shared connection, or on the pinned one that `pin` names */
	REEF_POOL_POST,    /* the same, answered with nothing when it has been sent; its reply is dropped */
	REEF_POOL_PIN,     /* wants a connection of its own; the reply is its number, a uint32_t */
	REEF_POOL_UNPIN,   /* gives it back, unchanged; no reply */
	REEF_POOL_SPOIL,   /* gives it back in an unknown state: it is closed; no reply */
	REEF_POOL_SAY, /* bytes for the pinned connection, which is a stream from now on: what comes belongs to no request;
						* no reply */
	REEF_POOL_LISTEN, /* what has come on the stream, one or more whole replies, as soon as there is something */
	REEF_POOL_CANCEL, /* nobody waits for request `session` any more; no reply */
	REEF_POOL_WILL,   /* a request to be sent when the caller ends; `session` is its number */
	REEF_POOL_REVOKE, /* not so any more; no reply */
};

struct reef_pool_request {
	uint64_t deadline_ns; /* reef_now_ns scale; REEF_NO_DEADLINE: none */
	uint64_t order;       /* requests with the same number other than 0 keep their order */
	uint32_t kind;        /* enum reef_pool_kind */
	uint32_t expect;      /* see frame.h */
	uint32_t pin;         /* 0: none */
	int32_t session;      /* of REEF_POOL_CANCEL, or number of the will */
};

enum reef_pool_code {
	REEF_POOL_CODE_OVERLOAD,
	REEF_POOL_CODE_TIMEOUT,
	REEF_POOL_CODE_CLOSED,
	REEF_POOL_CODE_PROTOCOL,
	REEF_POOL_CODE_CONNECT,
	REEF_POOL_CODE_AUTH,
	REEF_POOL_CODE_ENDED, /* the pool takes nothing more */
};

#define REEF_POOL_FAILURE_MARK 0x6c6f6f70u
struct reef_pool_failure {
	uint32_t mark;
	uint8_t code; /* enum reef_pool_code */
	bool sent;    /* the server may have seen it */
	uint32_t in_flight, queued;
	uint64_t waited_ns, unsent;
	char why[120];
};

#endif
