/* The Lua files that Reef brings: what lies below the directory `reef_lualib`. Listed once, so that a service which
 * looks for its modules among them first makes no system call. Any thread. */
#ifndef REEF_OWN_FILES_H
#define REEF_OWN_FILES_H

/* Where they lie. */
const char *reef_own_directory(void);
/* The path of our file `relative` ("skynet/queue.lua"), which stays; NULL if we have none of that name. */
const char *reef_own_file(const char *relative);

#endif
