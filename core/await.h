/* Blocking C functions beside the workers: one runs on a helper thread, and its service hears when it is over.
 *
 *   static const struct reef_await_work hash_work = {.run = hash, .done = hashed, .drop = free};
 *   reef_await(context, &hash_work, job);
 *
 * Helpers are threads of their own, made when they are needed, at most `await_threads` of the configuration; what is more
 * waits for its turn, first come first served. For services in C; task_await.h is for C functions that Lua calls. */
#ifndef REEF_AWAIT_H
#define REEF_AWAIT_H

#include <stdbool.h>
#include <stdint.h>

#include "skynet.h"

#ifdef __cplusplus
extern "C" {
#endif

/* Lives as long as the work. `ud` belongs to the work until exactly one of `done` and `drop` is called, which frees it;
 * when the process ends before `run` does, neither is. */
struct reef_await_work {
	/* On a helper thread, with all signals blocked: may block, and call of Reef only what any thread may. */
	void (*run)(void *ud);
	/* It has run. In the slice of the service, as a callback of its own. */
	void (*done)(struct skynet_context *context, void *ud);
	/* It was cancelled or its service has ended: it has not been run, or nobody wants what it brought. Any thread. NULL:
	 * nothing is to be freed. */
	void (*drop)(void *ud);
};

/* Begins a work for the service. Its number; 0 with errno: no thread could be made, and `ud` is still the caller's. Own
 * slice only. */
uint64_t reef_await(struct skynet_context *context, const struct reef_await_work *work, void *ud);

/* `done` is not going to be called any more: `drop` is, now or when `run` returns, which nothing ends before its time. What
 * has not begun never does. False: it was over already, or there is no such number. Own slice only. */
bool reef_await_cancel(uint64_t number);

/* What runs and what waits for a thread now. Any thread. */
void reef_await_count(unsigned *running, unsigned *waiting);

/* The process ends: what waits is dropped, what runs has until then (reef_now_ns scale). Main thread. */
void reef_await_stop(uint64_t deadline_ns);

#ifdef __cplusplus
}
#endif

#endif
