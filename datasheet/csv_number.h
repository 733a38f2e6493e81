/* Numbers as they are written in CSV. Free of state. */
#ifndef REEF_DATASHEET_CSV_NUMBER_H
#define REEF_DATASHEET_CSV_NUMBER_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

struct reef_csv_number {
	bool plain;        /* nothing but an optional - and digits */
	bool leading_zero; /* digits begin with a zero that says nothing */
	bool small;        /* plain, and here is its value */
	lua_Integer value;
};

/* Are the n bytes [+-] digits [. digits] [e [+-] digits]? A NUL follows them. */
bool reef_csv_is_number(const char *s, size_t n, struct reef_csv_number *number);

#endif
