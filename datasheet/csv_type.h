/* Types of columns of CSV, and the values that fields have as these. The Lua state is for numbers, which are what Lua
 * reads. Own slice only. */
#ifndef REEF_DATASHEET_CSV_TYPE_H
#define REEF_DATASHEET_CSV_TYPE_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

enum reef_csv_type { REEF_CSV_INTEGER, REEF_CSV_NUMBER, REEF_CSV_BOOLEAN, REEF_CSV_STRING, REEF_CSV_UNKNOWN };

/* The type that somebody asked for by name; UNKNOWN: none. */
enum reef_csv_type reef_csv_type_named(const char *name);
/* The narrowest type of a field with these bytes, behind which is a NUL. */
enum reef_csv_type reef_csv_type_of(lua_State *L, const char *bytes, size_t n, bool quoted);
/* The narrowest type that values of both have. */
enum reef_csv_type reef_csv_type_join(enum reef_csv_type a, enum reef_csv_type b);

/* Pushes what a field is in a column of a type: a value of it, or else the text. False, and nothing is pushed, if there is
 * none; bytes may be NULL then. `*out_of_range`: it is a number's text, but no number. */
bool reef_csv_push(lua_State *L, const char *bytes, size_t n, enum reef_csv_type type, bool *out_of_range);

#endif
