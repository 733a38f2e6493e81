/* UTF-8. Free of state. */
#ifndef REEF_CORE_UTF8_H
#define REEF_CORE_UTF8_H

#include <stdbool.h>
#include <stddef.h>

/* Strict (RFC 3629, section 4): no surrogates, no overlong forms; NUL is allowed. */
bool reef_utf8_valid(const char *text, size_t size);

#endif
