/* The Lua files that Reef brings: what lies below the directory `reef_lualib`. Listed once, so that a service which
 * looks for its modules among them first makes no system call. Any thread. */
#ifndef REEF_OWN_FILES_H
#define REEF_OWN_FILES_H

#include <stdbool.h>
#include <stddef.h>

/* Where they lie. */
const char *reef_own_directory(void);
/* Writes the path of our file `relative` ("skynet/queue.lua"). False: we have none of that name, or it is too long. */
bool reef_own_file(const char *relative, char *path, size_t size);

#endif
