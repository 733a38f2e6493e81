/* Sending messages and events. It takes a handle, not a pointer, never blocks, and never fails for a living service. Any
 * thread inside the engine.
 */
#ifndef REEF_SEND_H
#define REEF_SEND_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

struct reef_service;

/* Pushes m, whose source, session and type are set, to the service with that handle, or to the one that sends it to another
 * node (remote.h). Takes m in every case. False: no such service (m is freed, nothing is sent back). */
bool reef_send(uint32_t dest, struct reef_message *m);
/* The same for what a user sends: the receiver's mailbox may have a limit (mailbox.h). Messages that answer,
 * and those of sockets, timers, traces and debuggers are never refused. Takes m in every case. */
enum reef_offered { REEF_OFFER_NOBODY, REEF_OFFER_TAKEN, REEF_OFFER_FULL };
enum reef_offered reef_send_offer(uint32_t dest, struct reef_message *m);
/* `dest` is going to be sent something soon: fetches what sending looks at. */
void reef_send_soon(uint32_t dest);
/* Copies `size` bytes of data into a message and sends it. False: no such service, or no memory. */
bool reef_send_copy(uint32_t source, uint32_t dest, int type, int32_t session, const void *data, size_t size);
/* Pushes an event to its owner. False: no such service; `drop` is not called. */
bool reef_send_event(uint32_t dest, struct reef_event *event);
/* Tells `dest` that its request `session` to `source` failed. `reason` (may be NULL) becomes the text behind
 * `call failed: `. With session 0: `source` is down. */
void reef_send_error(uint32_t source, uint32_t dest, int32_t session, const char *reason);
/* The same with a reason of any bytes. */
void reef_send_error_bytes(uint32_t source, uint32_t dest, int32_t session, const char *reason, size_t size);

/* Pushes m to a service that was looked up already, and schedules it. Takes m. */
void reef_send_to(struct reef_service *service, struct reef_message *m);

#endif
