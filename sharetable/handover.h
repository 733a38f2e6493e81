/* Snapshots on their way from one VM to another, which a message names by number: it may be that nobody reads it, and no
 * number comes twice. Whoever takes a snapshot owns it. Any thread. */
#ifndef REEF_SHARETABLE_HANDOVER_H
#define REEF_SHARETABLE_HANDOVER_H

#include <stdint.h>

struct reef_snapshot;

/* The snapshot's number; 0: no memory, and it is the caller's still. */
int64_t reef_handover_leave(struct reef_snapshot *snapshot);
/* NULL: it was taken before, or there was none of that number. */
struct reef_snapshot *reef_handover_take(int64_t number);

#endif
