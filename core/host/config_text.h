/* Variables of the process' environment in the text of a configuration.
 *
 * Outside comments, `$NAME` and `${NAME}` become the variable, `${NAME:-text}` the text when it is not set or empty, and
 * `$$` a dollar sign. Comments stay as they are; a byte order mark at the beginning goes. Any thread. */
#ifndef REEF_CONFIG_TEXT_H
#define REEF_CONFIG_TEXT_H

#include <stddef.h>

#include "core/text.h"

/* Adds `text` to `out`, with the variables replaced. What is wrong is said to `problem`, with its line, and stands there
 * without its dollar sign. */
void reef_config_expand(struct reef_text *out, const char *text, size_t size,
						void (*problem)(void *ud, int line, const char *message), void *ud);

#endif
