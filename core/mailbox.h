/* Mailboxes: what waits for a service. Senders take no lock; the order of each sender's messages is kept. */
#ifndef REEF_MAILBOX_H
#define REEF_MAILBOX_H

#include <stdbool.h>
#include <stdint.h>

struct reef_message;
struct reef_service;

#define REEF_MAILBOX_OVERLOAD 1024 /* messages at which the first overload line is written; the contract's */

/* How many messages and payload bytes may wait for the service before others' requests are refused; 0: any number, and
 * then senders count nothing. Any thread inside the engine. */
void reef_mailbox_set_limit(struct reef_service *service, uint64_t messages, uint64_t bytes);

/* ---- for sending; any thread inside the engine ---- */

/* The mailbox of a new service, all zero: empty and not at rest. */
void reef_mailbox_init(struct reef_service *service);
/* True: the service was at rest, so who pushed has to schedule it. Takes m. */
bool reef_mailbox_push(struct reef_service *service, struct reef_message *m);
/* Of a service whose mailbox is counted: is there no room for this message? Then it is counted as refused, and that is logged at most once a second. Messages
 * that answer, and those of sockets, timers, traces and debuggers are never refused. */
bool reef_mailbox_refuses(struct reef_service *service, const struct reef_message *m);
/* For the watchdog: the service is stuck in a message. Its mailbox is counted, and the overload line written from here. */
void reef_mailbox_watch(struct reef_service *service);

/* ---- worker of the service only ---- */

/* Moves what was sent into `queue`. */
void reef_mailbox_gather(struct reef_service *service);
/* The same, and says when the queue has become long; false if nothing waits. */
bool reef_mailbox_fetch(struct reef_service *service);
/* Takes the next message of `queue`, NULL if there is none. */
struct reef_message *reef_mailbox_pop(struct reef_service *service);
/* Gives up being scheduled; false if a message came in between. */
bool reef_mailbox_rest(struct reef_service *service);

#endif
