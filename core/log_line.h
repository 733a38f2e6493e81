/* What a line of the log looks like.
 *
 * As text, `[:handle] text`, behind the time where there is one; as JSON, an object a line. Where the journal reads, each
 * line begins with its priority. */
#ifndef REEF_LOG_LINE_H
#define REEF_LOG_LINE_H

#include <stdbool.h>
#include <stdint.h>

#include "log_level.h"
#include "text.h"

enum reef_log_time {
	REEF_LOG_TIME_NONE,
	REEF_LOG_TIME_SHORT, /* `DD/MM/YY HH:MM:SS.cc`, local */
	REEF_LOG_TIME_ISO    /* `YYYY-MM-DDTHH:MM:SS.mmm+HH:MM`, local with its zone */
};

struct reef_log_style {
	bool json, colours, journal;
	enum reef_log_time time;
};

struct reef_log_line {
	uint32_t source;  /* handle */
	const char *name; /* of that service, its first word; NULL: not known */
	size_t name_size;
	enum reef_log_level level;
	const char *head; /* before the text, in no colour */
};

/* Adds a line to `t`: `text` is clean (clean.h). One thread at a time. */
void reef_log_line_add(struct reef_text *t, const struct reef_log_style *style, const struct reef_log_line *line,
					   const struct reef_text *text);

#endif
