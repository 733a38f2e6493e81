/* The keys of the configuration that Reef knows, and what their values may be.
 *
 * A project has keys of its own, too: a key that is not here is no mistake by itself. The pages of `docs` name all of
 * these. Any thread. */
#ifndef REEF_CONFIG_KEYS_H
#define REEF_CONFIG_KEYS_H

#include <stdbool.h>
#include <stddef.h>

enum reef_config_judgement {
	REEF_CONFIG_GOOD,
	REEF_CONFIG_DOUBTFUL, /* Reef starts with that; whoever uses the value may refuse it */
	REEF_CONFIG_WRONG     /* it does not */
};

/* Number of keys, and the name of each. */
size_t reef_config_key_count(void);
const char *reef_config_key_name(size_t i);
/* Is the value of the key the path of a file that is read? */
bool reef_config_key_names_file(const char *key);
/* The known key that is one letter away from this one, which is none: one too many, missing, changed, or swapped with its
 * neighbour. NULL: there is none. */
const char *reef_config_key_meant(const char *key);
/* Judges the value of a key; `why` says what it has to be. */
enum reef_config_judgement reef_config_key_check(const char *key, const char *value, char *why, size_t size);

#endif
