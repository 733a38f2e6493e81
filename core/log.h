/* The log. Lines go to the writer of the built-in logger (log_writer.h); where the configuration names another log service,
 * they are sent to that as REEF_PTYPE_TEXT messages; without either, they go to stderr. None of this makes the caller
 * wait. Text is cleaned (clean.h), so it may come from anywhere. Any thread; for another log service, inside the engine. */
#ifndef REEF_LOG_H
#define REEF_LOG_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_level.h"

/* `source`: handle in whose name the line is written, 0 for the runtime. No newline at the end. What the engine says is
 * held against the threshold of the pattern `*`; its level is what the text says (log_level.h). */
void reef_log(uint32_t source, const char *format, ...) __attribute__((format(printf, 2, 3)));
/* The same with that level. */
void reef_log_at(enum reef_log_level level, uint32_t source, const char *format, ...)
		__attribute__((format(printf, 3, 4)));
/* Bytes that may contain anything, as a line whatever the thresholds are. */
void reef_log_bytes(uint32_t source, const char *text, size_t size);
/* With that level: `head`, of our own, and behind it `text`: for lines that are written often. */
void reef_log_text(enum reef_log_level level, uint32_t source, const char *head, const char *text);
/* An error: `head` and behind it `text`, which is red on a terminal. */
void reef_log_error(uint32_t source, const char *head, const char *text, size_t size);

/* Handle of the log service, 0 while there is none. Any thread. */
uint32_t reef_log_service(void);
/* The log service is there. `send` sends it a line as a REEF_PTYPE_TEXT message; false: it is gone. Main thread, once. */
typedef bool (*reef_log_send)(uint32_t source, uint32_t service, const char *text, size_t size);
void reef_log_set_service(uint32_t handle, reef_log_send send);
/* `namer` knows the name of the service that the calling thread runs, if that has the handle `source`; NULL: it has not.
 * Main thread, once, before there are others. */
typedef const char *(*reef_log_namer)(uint32_t source, size_t *size);
void reef_log_set_namer(reef_log_namer namer);

#endif
