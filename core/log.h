/* The log. Lines go to the writer of the built-in logger (log_writer.h); where the configuration names another log service,
 * they are sent to that as REEF_PTYPE_TEXT messages; without either, they go to stderr. None of this makes the caller
 * wait. Text is cleaned (text.h), so it may come from anywhere. Any thread; for another log service, inside the engine. */
#ifndef REEF_LOG_H
#define REEF_LOG_H

#include <stddef.h>
#include <stdint.h>

/* `source`: handle in whose name the line is written, 0 for the runtime. No newline at the end. */
void reef_log(uint32_t source, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same for bytes that may contain anything. */
void reef_log_bytes(uint32_t source, const char *text, size_t size);
/* `head` and behind it `text`, which is red on a terminal. */
void reef_log_error(uint32_t source, const char *head, const char *text, size_t size);

#endif
