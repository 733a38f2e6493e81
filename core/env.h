/* The process-wide environment: what the configuration said, and what services add. Write-once strings. Any thread. */
#ifndef REEF_ENV_H
#define REEF_ENV_H

#include <stdbool.h>
#include <stddef.h>

/* NULL if there is none. The text lives as long as the process. */
const char *reef_env_get(const char *key);
/* False if the key exists already. */
bool reef_env_set(const char *key, const char *value);
/* How many there are: while it stays the same nothing has been set. */
size_t reef_env_count(void);
/* A number from the environment, `fallback` if absent or not one. */
long reef_env_int(const char *key, long fallback);

#endif
