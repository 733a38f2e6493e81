/* Decimal128 (IEEE 754-2008, binary integer decimal) as text, by libbson. Free of state. */
#ifndef REEF_BSON_DECIMAL_H
#define REEF_BSON_DECIMAL_H

#include <stdbool.h>
#include <stdint.h>

#define REEF_DECIMAL_SIZE 16
#define REEF_DECIMAL_TEXT 43

/* Canonical text with a NUL, at most REEF_DECIMAL_TEXT bytes. */
void reef_decimal_print(char *out, const uint8_t bytes[REEF_DECIMAL_SIZE]);
/* False: no such number, or one that cannot be kept exactly. */
bool reef_decimal_parse(uint8_t bytes[REEF_DECIMAL_SIZE], const char *text);

#endif
