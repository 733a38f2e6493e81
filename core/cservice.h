/* C services: shared objects written for the C API of the contract (`name_create`, `name_init`, ...). */
#ifndef REEF_CSERVICE_H
#define REEF_CSERVICE_H

struct reef_module;

/* Looks for `name` in the patterns of the configuration's `cpath` and loads it. NULL with the reason logged. The result
 * lives as long as the process. One thread at a time. */
const struct reef_module *reef_cservice_load(const char *name);

#endif
