/* The configuration file: Lua text whose global assignments become the environment. */
#ifndef REEF_CONFIG_H
#define REEF_CONFIG_H

#include <limits.h>
#include <stdbool.h>

/* Runs the file and puts what it assigns into the environment. False with the reason on stderr. Start-up only. */
bool reef_config_load(const char *path);
/* Where our Lua files lie. False: they cannot be found. */
bool reef_config_lualib(char path[PATH_MAX]);
/* Fills in what the configuration left out, finds our Lua files, and checks what can be checked. False with the reason
 * on stderr. */
bool reef_config_complete(void);

#endif
