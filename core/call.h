/* Calls that wait, for services written in C: a callback asks another service, or sleeps, and goes on behind that with all its
 * variables. Meanwhile the worker is free and the service handles its other messages.
 *
 *   int quest_init(void *instance, struct skynet_context *context, const char *param) {
 *       skynet_callback(context, instance, on_message);
 *       return reef_call_allow(context, 0);
 *   }
 *
 * Each callback runs on a stack of its own then. So between a call and its return others may have run: what the service shares
 * between callbacks may have changed, as with coroutines of Lua. The thread may be another one afterwards: thread-local
 * variables and errno are not to be kept across a call. */
#ifndef REEF_CALL_H
#define REEF_CALL_H

#include <stddef.h>
#include <stdint.h>

#include "skynet.h"

#ifdef __cplusplus
extern "C" {
#endif

enum reef_called {
	REEF_CALL_DONE, /* the reply is there; for a sleep, its time has passed */
	REEF_CALL_FAILED, /* the other service has failed, or ended before it answered; the reply is the reason, if there is one */
	REEF_CALL_LATE,    /* no reply in time: what comes later is dropped, and whether it was done is not known */
	REEF_CALL_NOBODY,  /* there is no such service, or its mailbox is full: nothing was sent */
	REEF_CALL_ENDING,  /* the own service ends: clean up and return; every further call answers this at once */
	REEF_CALL_OUTSIDE, /* not within a callback of a service that has allowed it: nothing was sent */
};

/* What came; the caller frees `data` (skynet_free). Empty when there is nothing. */
struct reef_reply {
	void *data;
	size_t size;
};

/* Callbacks of this service may wait from now on, on stacks of `size` bytes (0: 64 KiB), behind each of which is a page that
 * ends the process when it is touched. 0, or an errno. In the service's init. */
int reef_call_allow(struct skynet_context *context, size_t size);

/* Sends a request of that type and waits for its reply, for `timeout` hundredths of a second (below 0: without end). The bytes
 * are copied. `reply` may be NULL. Within a callback. */
enum reef_called reef_call(struct skynet_context *context, uint32_t dest, int type, const void *data, size_t size,
						   int timeout, struct reef_reply *reply);

/* Waits for that many hundredths of a second. Within a callback. */
enum reef_called reef_call_sleep(struct skynet_context *context, int time);

#ifdef __cplusplus
}
#endif

#endif
