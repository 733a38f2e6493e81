/* Dates as text (RFC 3339, section 5.6), up to nanoseconds of which milliseconds are kept. Free of state. */
#ifndef REEF_BSON_RFC3339_H
#define REEF_BSON_RFC3339_H

#include <stdbool.h>
#include <stdint.h>

/* The milliseconds since 1970 of the date that the whole text is; `Z` or a distance from it must be there. */
bool reef_rfc3339_parse(const char *s, int64_t *ms);

#endif
