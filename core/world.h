/* Stopping the world: a moment in which no service runs, for who changes what all of them read.
 *
 * A service that wants such a moment asks for it in its slice. Workers that come to the end of a slice then wait; the
 * moment comes when all others have. It has to be short: everybody stands still. Nothing is paid for this while nobody
 * asks, but a look at a flag per slice.
 */
#ifndef REEF_WORLD_H
#define REEF_WORLD_H

#include <stdbool.h>
#include <stdint.h>

/* Waits at most `patience_ns` for the other workers. False: the world goes on as if nothing had been; `*in_the_way` is
 * the handle of a service that was still running, or 0 if somebody else was stopping the world. Only from a slice. */
bool reef_world_stop(uint64_t patience_ns, uint32_t *in_the_way);
/* After a stop that succeeded. */
void reef_world_resume(void);

#endif
