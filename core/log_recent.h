/* The last lines of the log, kept in memory for who looks at the process from outside.
 *
 * Nothing is kept before somebody asks for it. Lines from warnings on are kept apart, so that a talkative service does not
 * push an error out. Both are bounded by bytes: old lines go when new ones come. Any thread. */
#ifndef REEF_LOG_RECENT_H
#define REEF_LOG_RECENT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_line.h"

/* Of the text of a line; what is longer is cut. */
#define REEF_LOG_RECENT_TEXT 4096

/* From now on lines are kept. */
void reef_log_recent_keep(void);
/* Keeps a line, if lines are kept. The text may contain anything: it is cleaned. */
void reef_log_recent_add(const struct reef_log_line *line, const char *text, size_t size);

struct reef_log_recent {
	uint64_t id; /* counts up by one a line */
	double time; /* seconds since 1970 */
	uint32_t source;
	enum reef_log_level level;
	size_t size;
	char text[REEF_LOG_RECENT_TEXT];
};
/* The newest line before the line `before` (its id; UINT64_MAX: of all) of that level or above, and, unless `source` is 0,
 * of that service. False: there is none. */
bool reef_log_recent_find(uint64_t before, enum reef_log_level level, uint32_t source, struct reef_log_recent *found);

#endif
