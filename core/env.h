/* The process-wide environment: what the configuration said, and what services add. Write-once strings. Any thread. */
#ifndef REEF_ENV_H
#define REEF_ENV_H

#include <stdbool.h>

/* NULL if there is none. The text lives as long as the process. */
const char *reef_env_get(const char *key);
/* False if the key exists already. */
bool reef_env_set(const char *key, const char *value);
/* A number from the environment, `fallback` if absent or not one. */
long reef_env_int(const char *key, long fallback);

#endif
