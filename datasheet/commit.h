/* The moment in which all rows of a plan are switched. */
#ifndef REEF_DATASHEET_COMMIT_H
#define REEF_DATASHEET_COMMIT_H

#include "plan.h"

/* Switches. False: the service `*in_the_way` was running for longer than `patience_ns` (0: unknown); try again later.
 * After a success the plan can only be freed. By who is publishing, from a slice. */
bool reef_commit(struct reef_plan *plan, uint64_t patience_ns, uint32_t *in_the_way);

#endif
