/* Freezing tables, with all that they refer to. */
#ifndef REEF_SHARETABLE_FREEZE_TABLE_H
#define REEF_SHARETABLE_FREEZE_TABLE_H

#include "freeze.h"

/* Its copy, to be filled later. `key` in step `parent` leads to it. False after an error, with the message written. */
bool reef_freeze_table(struct reef_freeze *freeze, Table *source, Table **copy, uint32_t parent, const TValue *key);
/* Works off all that was found, code too. False after an error, with the message written. */
bool reef_freeze_table_run(struct reef_freeze *freeze);

#endif
