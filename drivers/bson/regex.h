/* Flags of regular expressions are kept in alphabetical order. Free of state. */
#ifndef REEF_BSON_REGEX_H
#define REEF_BSON_REGEX_H

#include <stddef.h>

void reef_bson_regex_sort_flags(char *flags, size_t size);

#endif
