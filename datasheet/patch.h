/* Patches: tables that name what changes. */
#ifndef REEF_DATASHEET_PATCH_H
#define REEF_DATASHEET_PATCH_H

#include "plan.h"

/* Works off a step whose table names what changes in its row. False, with the reason written. */
bool reef_patch_plan_row(struct reef_plan *plan, uint32_t step);

#endif
