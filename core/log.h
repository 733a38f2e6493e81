/* The log: text lines sent to the service `logger` as REEF_PTYPE_TEXT messages. Any thread inside the engine; before
 * the logger is up and after it is gone, lines go to stderr. */
#ifndef REEF_LOG_H
#define REEF_LOG_H

#include <stddef.h>
#include <stdint.h>

/* `source`: handle in whose name the line is written, 0 for the runtime. No newline at the end. */
void reef_log(uint32_t source, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for bytes that may contain anything. */
void reef_log_bytes(uint32_t source, const char *text, size_t size);

#endif
