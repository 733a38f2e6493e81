/* What may be shown of text from elsewhere: servers, files, users.
 *
 * Two things never reach a terminal, a log or a page: what a terminal would obey instead of show, and passwords. Who
 * shows text adds it with reef_clean_add; the log does so for every line (log_writer.c), the debug console for
 * everything that it prints (Lua's `reef.text`). Any thread.
 */
#ifndef REEF_CLEAN_H
#define REEF_CLEAN_H

#include <stdbool.h>

#include "text.h"

/* Adds `text`, printable (reef_text_add_printable) and redacted (reef_redact_add). */
void reef_clean_add(struct reef_text *t, const char *text, size_t size);
/* Who complains from now on; a literal. It begins as "reef", and is "reef NAME" while the command of that name reads its
 * words. Start-up only. */
void reef_clean_set_name(const char *name);
/* Writes that, the text and a newline to stderr, cleaned: for what goes wrong before there is a log. */
void reef_clean_complain(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Can that file be read? Complains of it otherwise; so it does of a directory. */
bool reef_clean_can_run(const char *path);

#endif
