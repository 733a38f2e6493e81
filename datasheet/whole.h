/* Whole tables: what says all of a row. */
#ifndef REEF_DATASHEET_WHOLE_H
#define REEF_DATASHEET_WHOLE_H

#include "plan.h"

/* Works off a step whose table says all that its row holds. False, with the reason written. */
bool reef_whole_plan_row(struct reef_plan *plan, uint32_t step);

#endif
