/* The workers' side of stopping the world (world.h). */
#ifndef REEF_WORLD_PRIVATE_H
#define REEF_WORLD_PRIVATE_H

#include "scheduler_private.h"
#include "world.h"

extern _Atomic int reef_world_stopping; /* 1: nobody may begin a slice */
extern bool reef_world_needs_fence;     /* the kernel has no membarrier */

/* Before the first worker starts. */
void reef_world_init(void);
/* Waits until slices may begin again. */
void reef_world_wait(void);

/* A slice begins. The store of `inside` must be seen before the flag is looked at; instead of a fence here, who stops the
 * world makes all threads pass one (membarrier). */
static inline void reef_world_enter(struct reef_worker *worker) {
	for (;;) {
		atomic_store_explicit(&worker->inside, 1, memory_order_relaxed);
		if (reef_world_needs_fence)
			atomic_exchange(&worker->inside, 1);
		atomic_signal_fence(memory_order_seq_cst);
		if (__builtin_expect(atomic_load_explicit(&reef_world_stopping, memory_order_acquire) == 0, 1))
			return;
		atomic_store_explicit(&worker->inside, 0, memory_order_release);
		reef_world_wait();
	}
}

static inline void reef_world_leave(struct reef_worker *worker) {
	atomic_store_explicit(&worker->inside, 0, memory_order_release);
}

#endif
