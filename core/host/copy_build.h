/* A VM that is prepared in memory of its own, to be looked at and copied; it runs no service.
 *
 * What is allocated follows one after the other, each block behind a header, and nothing is used again; so two builds of
 * the same VM differ in nothing but addresses. Belongs to whoever made it; the slice of the host that it is built for. */
#ifndef REEF_COPY_BUILD_H
#define REEF_COPY_BUILD_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "watch.h"

struct reef_host;

/* In front of each block. Blocks and headers are multiples of 16 bytes, the first begins at the start of the memory. */
struct reef_build_block {
	size_t size; /* as it was asked for */
	/* NULL: it has been freed. Another block than this one: an object that all VMs share stands for it. */
	const void *is;
};

struct reef_build {
	char *memory;
	size_t used;
	size_t bytes; /* of live blocks */
	struct reef_host *host;
	const char *failure; /* why there is no such VM */
	char *passed;        /* REEF_PREPARED_PASSED, or NULL */
	size_t passed_size;
	size_t random; /* where the state of math.random lies in `memory`; 0: nowhere */
	bool varies;   /* its main function looks at its arguments */
	bool begun;    /* its main function has run */
	bool full;     /* the memory did not suffice */
	struct reef_watch watch;
};

enum { REEF_RANDOM_SIZE = 32 };

/* Makes the VM as `host` would with these arguments, runs its main function if it shall have `begun`, and brings it into a form that depends on nothing but what it holds:
 * no garbage, no remains of what has run. False: see `failure`. Ended by reef_build_end in any case. */
bool reef_build_begin(struct reef_build *build, const struct reef_host *host, const char *arguments, bool begun);
/* Frees it all, as it is: nothing in such a VM waits for its end. */
void reef_build_end(struct reef_build *build);

/* The block behind that one, or the first for NULL; NULL: there are no more. */
struct reef_build_block *reef_build_next(const struct reef_build *build, struct reef_build_block *block);

#endif
