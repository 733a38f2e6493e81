/* Levels of log lines, and from which one on lines are written.
 *
 * A line says its level itself: one that begins with `debug: `, `warning: ` or `error: ` has that level, all others are
 * informations; what the engine says of every service that comes and goes is below that. The threshold is that of the
 * last rule whose pattern fits the service's name. Any thread. */
#ifndef REEF_LOG_LEVEL_H
#define REEF_LOG_LEVEL_H

#include <stdbool.h>
#include <stddef.h>

enum reef_log_level { REEF_LOG_DEBUG, REEF_LOG_VERBOSE, REEF_LOG_INFO, REEF_LOG_WARN, REEF_LOG_ERROR, REEF_LOG_LEVELS };

/* `debug`, `verbose`, `info`, `warn`, `error`. */
const char *reef_log_level_name(enum reef_log_level level);
/* False: no level has that name. */
bool reef_log_level_parse(const char *name, size_t size, enum reef_log_level *level);
/* The level that the text says, and in `*label` the bytes that say it. */
enum reef_log_level reef_log_level_of(const char *text, size_t size, size_t *label);

/* The threshold of what belongs to no service: that of the pattern `*`. */
enum reef_log_level reef_log_threshold(void);
/* The threshold of a service of that name. */
enum reef_log_level reef_log_threshold_of(const char *name);
/* From now on services whose names fit `pattern`, in which `*` stands for anything, have that threshold; `*` alone: all
 * have, whatever was said before. False: there are too many rules. */
bool reef_log_threshold_set(const char *pattern, enum reef_log_level level);
/* Rules as `info,main=debug,mongo*=warn`. False: it is none, and nothing has changed; with `only_check` nothing does. */
bool reef_log_threshold_read(const char *rules, bool only_check);
/* Calls `rule` with each rule, in their order. */
void reef_log_threshold_each(void (*rule)(void *ud, const char *pattern, enum reef_log_level level), void *ud);

#endif
