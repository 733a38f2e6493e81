/* What a line of the log looks like: `[:handle] text`, behind the time where it goes to a file. */
#ifndef REEF_LOG_LINE_H
#define REEF_LOG_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "text.h"

/* Adds a line to `t`: `head`, then `text`, which is clean (clean.h); `timed`: with the local time in front; `red`: the
 * text is. One thread at a time. */
void reef_log_line_add(struct reef_text *t, bool timed, uint32_t source, const char *head, const struct reef_text *text,
					   bool red);

#endif
