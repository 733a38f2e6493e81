/* Messages: the only thing services exchange.
 *
 * A message is a node of the receiver's mailbox with its payload either behind the header in the same block ("inline")
 * or in a block of its own that somebody handed over ("attached"). Whoever holds the node owns both; pushing it into a
 * mailbox passes the ownership on. Any thread may create and free messages; one thread at a time holds one.
 */
#ifndef REEF_MESSAGE_H
#define REEF_MESSAGE_H

#include <stddef.h>
#include <stdint.h>

struct reef_service;

/* Message types of the API; the numbers are part of the contract. */
enum reef_ptype {
	REEF_PTYPE_TEXT = 0,
	REEF_PTYPE_RESPONSE = 1,
	REEF_PTYPE_MULTICAST = 2,
	REEF_PTYPE_CLIENT = 3,
	REEF_PTYPE_SYSTEM = 4,
	REEF_PTYPE_HARBOR = 5,
	REEF_PTYPE_SOCKET = 6,
	REEF_PTYPE_ERROR = 7,
	REEF_PTYPE_QUEUE = 8,
	REEF_PTYPE_DEBUG = 9,
	REEF_PTYPE_LUA = 10,
	REEF_PTYPE_SNAX = 11,
	REEF_PTYPE_TRACE = 12,
};

enum {
	REEF_MESSAGE_ATTACHED = 1, /* `data` is a block of its own, freed with reef_free */
	REEF_MESSAGE_COUNTED = 8,  /* is among those that the receiver's mailbox counts */
	REEF_MESSAGE_EVENT = 2,    /* the node is the head of a struct reef_event, which owns it */
	REEF_MESSAGE_OWN = 4,      /* an error that concerns only what was sent to its source */
	REEF_MESSAGE_SHARED = 16,  /* is ATTACHED, too, to a struct reef_payload that others may share */
};

struct reef_message {
	struct reef_message *next; /* the mailbox's link; meaningless outside */
	void *data;
	size_t size;     /* bytes at `data` */
	uint32_t source; /* handle of the sender; 0 for the runtime itself */
	int32_t session; /* 0: no reply expected */
	uint8_t type;    /* enum reef_ptype, or the user's own 13..255 */
	uint8_t flags;
};

/* An event: a message node that lives inside some other object (a socket, say) and is pushed again and again without
 * allocation. Instead of the service's callback, the worker calls `deliver` in the owner's slice, or `drop` when the
 * service is gone. The node may be pushed again as soon as either has begun. */
struct reef_event {
	struct reef_message message; /* flags has REEF_MESSAGE_EVENT */
	void (*deliver)(struct reef_service *service, struct reef_event *event);
	void (*drop)(struct reef_event *event);
};

/* A message with `size` bytes of room behind it; data points there. Never NULL: out of memory ends the process with a
 * line on stderr, as everywhere in the engine where no caller could go on. */
struct reef_message *reef_message_new(size_t size);

/* The same, for payloads whose size somebody else decides: NULL when out of memory. */
struct reef_message *reef_message_try_new(size_t size);

/* A message around a block from reef_malloc, which it owns from now on (NULL with size 0 is fine). */
struct reef_message *reef_message_wrap(void *data, size_t size);

/* Bytes that several messages carry: who shares them only reads. Counted; whoever lets go last, on whichever thread,
 * frees them. */
struct reef_payload;

/* A copy of these bytes, held by the caller; NULL when out of memory. */
struct reef_payload *reef_payload_new(const void *data, size_t size);

/* One holder more. */
void reef_payload_hold(struct reef_payload *payload);

/* Its bytes, which do not move. */
void *reef_payload_bytes(struct reef_payload *payload, size_t *size);

/* The caller lets go. */
void reef_payload_release(struct reef_payload *payload);

/* A message that carries the payload; NULL when out of memory. */
struct reef_message *reef_payload_message(struct reef_payload *payload);

/* Frees the node and its payload. Not for events. */
void reef_message_free(struct reef_message *m);

/* Takes the payload out as a block of its own (copied when it was inline or shared); the caller owns it (reef_free), the message
 * keeps nothing and still has to be freed. NULL when size is 0. */
void *reef_message_take(struct reef_message *m);

#endif
