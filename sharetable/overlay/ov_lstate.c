/* lstate.c with the hooks of ov.h: every VM takes the process' seed. */
#include "ov.h"

#include "lstate.c"
