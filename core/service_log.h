/* From which level on the lines of a service are written: the rules of log_level.h by its name, which is the first word
 * behind `snlua`, or that of its C module. Inside the engine. */
#ifndef REEF_SERVICE_LOG_H
#define REEF_SERVICE_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_level.h"

struct reef_service;

/* Is a line of that level to be written? Any thread. */
bool reef_service_logs(const struct reef_service *service, enum reef_log_level level);
/* Whoever launches a service says so when others can find it. */
void reef_service_log_begin(struct reef_service *service);
/* The name of the service that the calling thread runs, if that has the handle `source`; NULL: it has not. */
const char *reef_service_log_name(uint32_t source, size_t *size);
/* Adds a rule, and lets all services heed it. False: there are too many. Any thread. */
bool reef_service_log_set(const char *pattern, enum reef_log_level level);

#endif
