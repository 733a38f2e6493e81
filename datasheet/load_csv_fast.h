/* CSV that is good, in one pass and without libcsv, which goes byte by byte: see load.h. Own slice only. */
#ifndef REEF_DATASHEET_LOAD_CSV_FAST_H
#define REEF_DATASHEET_LOAD_CSV_FAST_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

/* Pushes what `csv` (load_csv.h) returns for a text, behind which is a NUL, with the types in the table at that absolute
 * index. False, and nothing is pushed: more is to be said about the text than that it is good, and libcsv has to look. */
bool reef_load_csv_fast(lua_State *L, const char *text, size_t n, int types, char separator);

#endif
