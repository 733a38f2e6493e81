/* The scheduler's side of epoch.h. */
#ifndef REEF_EPOCH_PRIVATE_H
#define REEF_EPOCH_PRIVATE_H

#include <stddef.h>
#include <stdint.h>

#include "epoch.h"

/* A thread inside the engine says that it holds no looked-up pointer right now. Cheap when nothing was retired. */
void reef_epoch_quiescent(void);
/* Frees what may be freed. For a thread inside the engine that holds no looked-up pointer. */
void reef_epoch_reclaim(void);
/* Number of retired objects that wait. */
size_t reef_epoch_pending(void);

#endif
