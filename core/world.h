/* Stopping the world: a moment in which no service runs, for who changes what all of them read.
 *
 * A service that wants such a moment asks for it in its slice. Workers that come to the end of a slice then wait; the
 * moment comes when all others have. It has to be short: everybody stands still. Nothing is paid for this while nobody
 * asks, but a look at a flag per slice.
 */
#ifndef REEF_WORLD_H
#define REEF_WORLD_H

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

/* Waits at most `patience_ns` for the other workers. False: the world goes on as if nothing had been; `*in_the_way` is
 * the handle of a service that was still running, or 0 if somebody else was stopping the world. Only from a slice. */
bool reef_world_stop(uint64_t patience_ns, uint32_t *in_the_way);
/* After a stop that succeeded. */
void reef_world_resume(void);

/* ---- for workers ---- */

extern _Atomic int reef_world_stopping; /* 1: nobody may begin a slice */
extern bool reef_world_needs_fence;     /* the kernel has no membarrier */

/* Before the first worker starts. */
void reef_world_init(void);
/* Waits until slices may begin again. */
void reef_world_wait(void);

/* A slice begins: `inside` is the mark of the worker that runs it. The store of `inside` must be seen before the flag is looked at; instead of a fence here, who stops the
 * world makes all threads pass one (membarrier). */
static inline void reef_world_enter(atomic_int *inside) {
	for (;;) {
		atomic_store_explicit(inside, 1, memory_order_relaxed);
		if (reef_world_needs_fence)
			atomic_exchange(inside, 1);
		atomic_signal_fence(memory_order_seq_cst);
		if (__builtin_expect(atomic_load_explicit(&reef_world_stopping, memory_order_acquire) == 0, 1))
			return;
		atomic_store_explicit(inside, 0, memory_order_release);
		reef_world_wait();
	}
}

static inline void reef_world_leave(atomic_int *inside) {
	atomic_store_explicit(inside, 0, memory_order_release);
}

#endif
