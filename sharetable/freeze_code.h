/* Freezing code: function prototypes with all that they refer to. */
#ifndef REEF_SHARETABLE_FREEZE_CODE_H
#define REEF_SHARETABLE_FREEZE_CODE_H

#include "freeze.h"

/* Its copy, to be filled later. NULL after an error, with the message written. */
Proto *reef_freeze_code(struct reef_freeze *freeze, const Proto *source);
/* Works off what was found. False after an error, with the message written. */
bool reef_freeze_code_run(struct reef_freeze *freeze);

#endif
