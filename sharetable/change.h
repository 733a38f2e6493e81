/* A change: what the objects of one snapshot have become in another one.
 *
 * Tables and functions are matched by the path that leads to them; where several lead to the same one, by the
 * shortest that still leads to something.
 * Made once, then read by all VMs that go over from the one to the other; both snapshots must outlive it.
 */
#ifndef REEF_SHARETABLE_CHANGE_H
#define REEF_SHARETABLE_CHANGE_H

#include "sharetable/overlay/ov.h"

struct reef_snapshot;
struct reef_change;

/* NULL when out of memory. */
struct reef_change *reef_change_new(const struct reef_snapshot *from, const struct reef_snapshot *to);
void reef_change_delete(struct reef_change *change);

/* The new value where table or function `o` of the old snapshot was found; NULL if there is nothing any more. */
const TValue *reef_change_get(const struct reef_change *change, const GCObject *o);

#endif
