/* What no sheet will lead to once a plan is carried out. */
#ifndef REEF_DATASHEET_REMOVAL_H
#define REEF_DATASHEET_REMOVAL_H

#include "plan.h"

/* Notes it in the plan. False when out of memory. */
bool reef_removal_find(struct reef_plan *plan);

#endif
