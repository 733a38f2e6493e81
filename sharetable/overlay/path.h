/* Names of places in a tree of tables, for messages: `cfg.list[3]["a b"].name`. Any thread. */
#ifndef REEF_SHARETABLE_PATH_H
#define REEF_SHARETABLE_PATH_H

#include <stddef.h>

struct TValue;

/* Appends what indexes with `key` (nil: `.<metatable>`) to the text in a buffer of `size` bytes, cutting it with `...` where it gets long. */
void reef_path_append(char *path, size_t size, const struct TValue *key);

#endif
