/* CSV for `reef.config.core`: see load.h for what places and problems are. Own slice only. */
#ifndef REEF_DATASHEET_LOAD_CSV_H
#define REEF_DATASHEET_LOAD_CSV_H

#include <lua.h>

#define REEF_CSV_MAX_COLUMNS 1000

/* csv(text, types, separator, quiet) -> { columns = names, rows = array of rows }, or nil; problems or nil.
 * `types`: column -> "integer", "number", "boolean", "string"; a column without one gets the narrowest that all its
 * values fit in. */
int reef_load_csv(lua_State *L);
/* The same, all of it by libcsv. */
int reef_load_csv_careful(lua_State *L);
/* csv_places(text, separator, tree) -> places; the tree's keys are numbers of rows (0: the header), then
 * names of columns */
int reef_load_csv_places(lua_State *L);

/* The separator at that index, a comma by default: one byte, none that CSV gives another meaning, no NUL. Raises. */
const char *reef_csv_check_separator(lua_State *L, int index);

#endif
