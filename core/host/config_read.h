/* Reads a configuration file: Lua text, whose environment is empty but for `include`, with variables of the process'
 * environment (config_text.h). Any thread; nothing is kept. */
#ifndef REEF_CONFIG_READ_H
#define REEF_CONFIG_READ_H

#include <lua.h>

/* Pushes a table with what the file at `path`, and the files that it includes, assign: by key, a table of `value` (the
 * text), `file` and `line` of the assignment. Then a list of what may be meant otherwise, texts with file and line. Raises
 * a text with file and line. */
void reef_config_read(lua_State *L, const char *path);

#endif
