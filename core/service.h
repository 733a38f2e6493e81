/* Services: actors with a handle, a mailbox and a callback.
 *
 * A service is run by one worker at a time, a message at a time. Its struct may be looked at by any thread that is
 * inside the engine (see epoch.h) but only the worker that runs it touches its instance. Sending takes a handle, not a
 * pointer, never blocks, and never fails for a living service.
 */
#ifndef REEF_SERVICE_H
#define REEF_SERVICE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "message.h"

struct reef_service;
struct reef_warm;

/* Handles one message. Runs in the service's slice. The payload is freed afterwards unless the callback took it. */
typedef void (*reef_callback)(struct reef_service *service, void *ud, struct reef_message *m);

/* What kind of service a module makes: `snlua`, `logger`, a C service loaded through cpath ... */
struct reef_module {
	const char *name;
	/* Sets up an instance: calls reef_service_set_callback and may send messages to itself. Runs before the handle is
	 * given to anybody, on the launching thread. Returns 0, or anything else to refuse (release is called then too). */
	int (*init)(struct reef_service *service, const char *args);
	/* Ends the instance: every request it still owes a reply must be answered with REEF_PTYPE_ERROR here. Runs on the
	 * thread that ran the service last, or on the launching one after a refused init. */
	void (*release)(struct reef_service *service);
	/* `SIGNAL`: may be called by any thread while the service runs. NULL if the module has none. */
	void (*signal)(struct reef_service *service, int n);
	/* Notes what the next slice will want (warm.h), at the end of one. NULL if the module does not. */
	void (*warm)(struct reef_service *service, struct reef_warm *warm);
	/* That service is gone, although it cannot say so itself: what was asked of it fails. In an own slice. NULL if the
	 * module asks nobody. */
	void (*down)(struct reef_service *service, uint32_t handle);
	/* Around each event that is delivered in a slice of the service, whose code may run meanwhile. NULL if the module need
	 * not know. */
	void (*enter)(struct reef_service *service);
	void (*leave)(struct reef_service *service);
	/* For a module that adapts others (C services from cpath): its own data, found by reef_service_module_data. */
	void *data;
};

/* Makes a built-in module known under its name. Start-up only. */
void reef_module_register(const struct reef_module *module);

/* Launches a service of that module; `args` is its argument text. Logs `LAUNCH module args`. Returns its handle, or 0
 * with the reason logged: unknown module, or init refused. Any thread inside the engine. */
uint32_t reef_service_launch(const char *module, const char *args);

uint32_t reef_service_handle(const struct reef_service *service);
void reef_service_set_callback(struct reef_service *service, reef_callback callback, void *ud);
/* The instance pointer that belongs to the module. */
void reef_service_set_instance(struct reef_service *service, void *instance);
void *reef_service_instance(const struct reef_service *service);
const struct reef_module *reef_service_module(const struct reef_service *service);
/* Text `module args`, as launched; owned by the service. */
const char *reef_service_description(const struct reef_service *service);

/* A lazy service is not run next when somebody wakes it, but after those that wait already: so what many others send in
 * one round is gathered, and handled in one slice. Own slice only. */
void reef_service_set_lazy(struct reef_service *service, bool lazy);

/* Called by the worker after each event delivered to the service, and by whoever delivered something himself, so that
 * the host can run what the delivery woke. NULL: nothing to do. */
void reef_service_set_turn_end(struct reef_service *service, void (*turn_end)(struct reef_service *service, void *ud));
void reef_service_turn_end(struct reef_service *service);

/* How many messages and payload bytes may wait for the service before others' requests are refused; 0: any number, and
 * then senders count nothing. Any thread inside the engine. */
void reef_service_set_limit(struct reef_service *service, uint64_t messages, uint64_t bytes);

/* Hands a message to the service's callback here and now. Only from within its own slice (events do this). Takes m. */
void reef_service_deliver(struct reef_service *service, struct reef_message *m);

/* Next session number of the service: 1 .. 0x7fffffff, wrapping to 1. Own slice only. */
int32_t reef_service_new_session(struct reef_service *service);

/* The service that the calling thread is running, NULL outside a slice. */
struct reef_service *reef_service_current(void);

/* ---- sending: any thread inside the engine ---- */

/* Pushes m, whose source, session and type are set, to the service with that handle. Takes m in every case. False: no
 * such service (m is freed, nothing is sent back). */
bool reef_send(uint32_t dest, struct reef_message *m);
/* The same for what a user sends: the receiver's mailbox may have a limit (reef_service_set_limit). Messages that answer,
 * and those of sockets, timers, traces and debuggers are never refused. Takes m in every case. */
enum reef_offered { REEF_OFFER_NOBODY, REEF_OFFER_TAKEN, REEF_OFFER_FULL };
enum reef_offered reef_offer(uint32_t dest, struct reef_message *m);
/* `dest` is going to be sent something soon: fetches what sending looks at. */
void reef_send_soon(uint32_t dest);
/* Copies `size` bytes of data into a message and sends it. False: no such service, or no memory. */
bool reef_send_copy(uint32_t source, uint32_t dest, int type, int32_t session, const void *data, size_t size);
/* Pushes an event to its owner. False: no such service; `drop` is not called. */
bool reef_send_event(uint32_t dest, struct reef_event *event);
/* Tells `dest` that its request `session` to `source` failed. `reason` (may be NULL) becomes the text behind
 * `call failed: `. With session 0: `source` is down. */
void reef_send_error(uint32_t source, uint32_t dest, int32_t session, const char *reason);

/* ---- ends ---- */

/* Ends a service: unreachable from now on, released when its slice is over (at once if it is idle). Requests in its
 * mailbox are answered with errors. False: no such service. */
bool reef_service_kill(uint32_t handle);
/* Ends all services but the logger; the process ends when they are gone. Nothing can be launched any more. A shutdown
 * hook that did not run to its end is logged and makes the exit code REEF_EXIT_CUT. */
void reef_abort(void);
/* The process ends without running hooks: says whose these are, but for this service's. True: there are any. Any thread
 * inside the engine. */
bool reef_service_check_hooks(uint32_t but);
/* Has the service a shutdown hook that is still to run, or running? Own slice only. */
void reef_service_set_hooked(struct reef_service *service, bool hooked);
/* True from the moment that somebody asked for the end of this service. */
bool reef_service_ending(const struct reef_service *service);

/* Looks a handle up; the pointer is good until the calling thread's next quiescent point. NULL: no such service. Any
 * thread inside the engine. */
struct reef_service *reef_service_find(uint32_t handle);
/* Is there a living service with that handle? Any thread inside the engine. */
bool reef_service_alive(uint32_t handle);
/* Living services; fills at most `n` handles in increasing order, returns how many there are. */
size_t reef_service_list(uint32_t *handles, size_t n);
/* Calls the module's signal function of that service. */
bool reef_service_signal(uint32_t handle, int n);

/* ---- names: `.name`, given without the dot; any thread inside the engine ---- */

/* 0 if nobody has that name. */
uint32_t reef_name_find(const char *name);
/* False if the name is taken (and stays as it is) or the handle is dead. All names of a service vanish with it. */
bool reef_name_add(const char *name, uint32_t handle);
/* `.name`, `:hex` or a number as text; 0 if there is none such. */
uint32_t reef_address_parse(const char *text);

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
	double cpu_seconds;      /* in finished messages */
};
/* False: no such service. Any thread inside the engine. */
bool reef_service_look(uint32_t handle, struct reef_service_look *look);

/* Per-service message log (`LOGON`, `LOGOFF`). False: no such service, no `logpath`, or the file cannot be made. */
bool reef_service_log_messages(uint32_t handle, bool on);

/* Service to be told (REEF_PTYPE_CLIENT, source = the dead) of every end; 0: nobody. */
void reef_monitor_set(uint32_t handle);
uint32_t reef_monitor_get(void);

#endif
