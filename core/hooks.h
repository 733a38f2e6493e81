/* What rooms above may hang into the engine's own course. Added at start-up only; the engine calls each hook, in order
 * of adding. */
#ifndef REEF_HOOKS_H
#define REEF_HOOKS_H

#include <stdint.h>

struct reef_service;

/* A service has ended: its module's release has just returned, its handle finds nobody any more. Called on the thread
 * that released it. For what a room keeps per service; must be cheap, it runs at every end. */
typedef void (*reef_release_hook)(struct reef_service *service);
void reef_hooks_on_release(reef_release_hook hook);

/* The process is ending in order: the last service is gone, the workers have stopped, and what is to be finished
 * (output on its way) must be by `deadline_ns` (reef_now_ns). Called on the main thread. */
typedef void (*reef_shutdown_hook)(uint64_t deadline_ns);
void reef_hooks_on_shutdown(reef_shutdown_hook hook);

/* For the engine: calls them. */
void reef_hooks_released(struct reef_service *service);
void reef_hooks_shutdown(uint64_t deadline_ns);

#endif
