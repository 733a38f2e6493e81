/* Lets the process see how long the collector of garbage keeps a VM from going on: each piece of its work, be it a step or
 * a whole collection, is told when it is over. */
#ifndef REEF_SHARETABLE_COLLECTOR_H
#define REEF_SHARETABLE_COLLECTOR_H

#include <stdint.h>

/* Set before there are VMs; NULL: nobody wants to know. Called on the thread that runs the VM, which they must not
 * touch. */
struct reef_collector_watch {
	uint64_t (*begins)(void);
	void (*ended)(uint64_t since); /* with what `begins` had said */
};
extern struct reef_collector_watch reef_collector_watch;

#endif
