/* Deferred reclamation, so that lookups take no lock.
 *
 * A thread "inside the engine" may use pointers it has looked up (services, the handle table, names) until it next
 * passes a quiescent point. Workers do so between slices and are outside while they sleep. Any other thread that wants
 * to send messages brackets its work with reef_epoch_enter and reef_epoch_leave. What is unlinked is given to
 * reef_epoch_retire and freed once every thread inside has passed such a point.
 */
#ifndef REEF_EPOCH_H
#define REEF_EPOCH_H

#include <stddef.h>

/* Not nested; cheap. A thread that ends must be outside. */
void reef_epoch_enter(void);
void reef_epoch_leave(void);

/* Calls destroy(p) later, on some thread inside the engine. Any thread. */
void reef_epoch_retire(void *p, void (*destroy)(void *p));

/* ---- for whoever runs slices ---- */

/* A thread inside the engine says that it holds no looked-up pointer right now. Cheap when nothing was retired. */
void reef_epoch_quiescent(void);
/* Frees what may be freed. For a thread inside the engine that holds no looked-up pointer. */
void reef_epoch_reclaim(void);
/* Number of retired objects that wait. */
size_t reef_epoch_pending(void);

#endif
