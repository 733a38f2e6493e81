/* Services: actors with a handle, a mailbox and a callback.
 *
 * A service is run by one worker at a time, a message at a time. Its struct may be looked at by any thread that is
 * inside the engine (see epoch.h) but only the worker that runs it touches its instance. How it begins and ends is in
 * service_life.h, what is sent to it in send.h and mailbox.h.
 */
#ifndef REEF_SERVICE_H
#define REEF_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

struct reef_module;
struct reef_service;

/* Handles one message. Runs in the service's slice. The payload is freed afterwards unless the callback took it. */
typedef void (*reef_callback)(struct reef_service *service, void *ud, struct reef_message *m);

uint32_t reef_service_handle(const struct reef_service *service);
void reef_service_set_callback(struct reef_service *service, reef_callback callback, void *ud);
/* The instance pointer that belongs to the module. */
void reef_service_set_instance(struct reef_service *service, void *instance);
void *reef_service_instance(const struct reef_service *service);
const struct reef_module *reef_service_module(const struct reef_service *service);

/* A lazy service is not run next when somebody wakes it, but after those that wait already: so what many others send in
 * one round is gathered, and handled in one slice. Own slice only. */
void reef_service_set_lazy(struct reef_service *service, bool lazy);

/* Called after each event delivered to the service, between the module's `enter` and `leave`, so that the host can run
 * what the delivery woke. NULL: nothing to do. */
void reef_service_set_turn_end(struct reef_service *service, void (*turn_end)(struct reef_service *service, void *ud));
/* The same for whoever has delivered something himself. */
void reef_service_turn_end(struct reef_service *service);

/* Hands a message to the service's callback here and now, and counts it; a log of its messages shows `shown`. Only from within
 * its own slice (events do this). Takes m. */
void reef_service_deliver(struct reef_service *service, struct reef_message *m, const struct reef_message *shown);
/* Counts what was handled instead of becoming a message. Own slice only. */
void reef_service_note_message(struct reef_service *service);

/* Has the service a log of its messages? Then what comes has to be handed over as one. Own slice only. */
bool reef_service_is_logged(const struct reef_service *service);

/* Next session number of the service: 1 .. 0x7fffffff, wrapping to 1. Own slice only. */
int32_t reef_service_new_session(struct reef_service *service);

/* Has the service a shutdown hook that is still to run, or running? Own slice only. */
void reef_service_set_hooked(struct reef_service *service, bool hooked);
/* True from the moment that somebody asked for the end of this service. */
bool reef_service_ending(const struct reef_service *service);

/* Cycle counter at the start of the message that it handles. Own slice only. */
uint64_t reef_service_message_start(const struct reef_service *service);

/* An error that nobody caught. Own slice only. */
void reef_service_note_error(struct reef_service *service);

/* Kinds of messages, as slow ones are counted by: the types of the API, what the engine delivers, what users define. */
enum { REEF_SERVICE_EVENT = REEF_PTYPE_TRACE + 1, REEF_SERVICE_OTHER, REEF_SERVICE_KINDS };
/* A message of that kind was slow. Worker of the service only. */
void reef_service_note_slow(struct reef_service *service, unsigned kind);
/* How many slow messages of each kind there were. False: none, or no such service. Any thread inside the engine. */
bool reef_service_slow(uint32_t handle, uint64_t counts[REEF_SERVICE_KINDS]);

/* Is there a living service with that handle? Any thread inside the engine. */
bool reef_service_alive(uint32_t handle);
/* Calls the module's signal function of that service. Any thread inside the engine. */
bool reef_service_signal(uint32_t handle, int n);
/* The same for a service that was looked up already. */
void reef_service_signal_service(struct reef_service *service, int n);

/* ---- statistics: own slice for exact values ---- */
struct reef_service_stat {
	size_t mqlen;           /* messages waiting */
	uint64_t messages;      /* handled so far */
	double cpu_seconds;     /* spent in its slices, by the cycle counter */
	double message_seconds; /* in the current message */
	uint64_t refused;       /* messages that found the mailbox full */
	uint64_t waiting_bytes; /* payloads that wait, 0 without a limit */
	uint64_t most_messages; /* the limits, 0: none */
	uint64_t most_bytes;
	bool endless; /* the watchdog has complained since this was last read */
};
/* `clear`: the endless flag is reset by this reading. */
void reef_service_get_stat(struct reef_service *service, struct reef_service_stat *stat, bool clear);

/* What anybody may see of a service while it runs. */
struct reef_service_look {
	const char *description; /* text `module args`; good until the calling thread's next quiescent point */
	uint64_t queued;         /* messages that its worker has seen and not handled */
	uint64_t messages;       /* handled so far */
	uint64_t refused;        /* messages that found the mailbox full */
	uint64_t errors;         /* that nobody caught */
	double cpu_seconds;      /* in finished messages */
};
/* The name in a description: `snlua arena 1` is an `arena`, `logger x` a `logger`. Any thread. */
const char *reef_service_name(const char *description, size_t *size);
/* False: no such service. Any thread inside the engine. */
bool reef_service_look(uint32_t handle, struct reef_service_look *look);

#endif
