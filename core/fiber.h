/* Stacks of their own for C functions that have to wait: one runs on such a stack until it parks, whoever has resumed it goes on
 * then, and resumes it again when it can go on, on whichever thread that is.
 *
 * A fiber belongs to who has made it; one thread at a time. What a function keeps across a park must not depend on its thread:
 * neither thread-local variables nor errno, whose addresses a compiler may remember. */
#ifndef REEF_FIBER_H
#define REEF_FIBER_H

#include <stdbool.h>
#include <stddef.h>

struct reef_fiber;

/* Stacks of one size, used again. All zero but `size` at first; one thread at a time. */
struct reef_fiber_pool {
	size_t size; /* bytes of a stack, behind which is a page that nobody may touch */
	struct reef_fiber *idle;
	unsigned idle_count;
};

/* A fiber that runs run(ud) when it is resumed. NULL: no memory. */
struct reef_fiber *reef_fiber_take(struct reef_fiber_pool *pool, void (*run)(void *ud), void *ud);
/* Runs it until it parks (false) or has returned (true), when its stack is the pool's again. From within
 * another fiber, too. */
bool reef_fiber_resume(struct reef_fiber_pool *pool, struct reef_fiber *fiber);
/* From within a fiber: whoever has resumed it goes on; comes back when it is resumed again. */
void reef_fiber_park(struct reef_fiber *fiber);
/* The one that the calling thread runs; NULL: none. */
struct reef_fiber *reef_fiber_current(void);
/* Frees what is idle. */
void reef_fiber_pool_fini(struct reef_fiber_pool *pool);

#endif
