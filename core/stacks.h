/* The stacks of a C service whose callbacks may wait, and what each waits for. Own slice only. */
#ifndef REEF_STACKS_H
#define REEF_STACKS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "call.h"

struct reef_message;
struct reef_service;
struct reef_stacks;

struct reef_stacks *reef_stacks_new(size_t size);
/* Is this a reply or a timer of those that wait? Then it has been handled, but the message itself is not freed. */
bool reef_stacks_answer(struct reef_stacks *stacks, struct reef_service *service, struct reef_message *m);
/* Calls the service's callback on a stack; takes `data`. False: no memory for one, and `data` is still the caller's. */
bool reef_stacks_run(struct reef_stacks *stacks, struct reef_service *service, skynet_cb callback, void *ud,
					 const struct reef_message *m, void *data, size_t size);
/* That service is gone: who waits for it goes on. */
void reef_stacks_down(struct reef_stacks *stacks, uint32_t handle);
/* The service ends: whoever waits goes on, and returns. Frees it. */
void reef_stacks_end(struct reef_stacks *stacks);

/* See call.h. */
enum reef_called reef_stacks_call(struct reef_stacks *stacks, struct reef_service *service, uint32_t dest, int type,
								  const void *data, size_t size, int timeout, struct reef_reply *reply);
enum reef_called reef_stacks_sleep(struct reef_stacks *stacks, struct reef_service *service, int time);

#endif
