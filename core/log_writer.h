/* A log file or stream, written by a thread of its own.
 *
 * Who logs copies a line into a buffer and goes on, whatever the file does: a pipe that nobody reads, a disk that is
 * full or slow. Lines wait until they can be written, up to a bound; those beyond are counted, and the place where they
 * are missing says how many. That the file cannot be written is said on stderr, once each time.
 *
 * The text of a line is cleaned on its way into the buffer (clean.h): this is the place where no line gets past.
 *
 * Any thread may call these functions. A writer belongs to who opened it until reef_log_writer_close.
 */
#ifndef REEF_LOG_WRITER_H
#define REEF_LOG_WRITER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "log_line.h"

struct reef_log_writer;

/* Appends to the file `path`, or, with NULL, writes to a copy of the descriptor `fd` (1 or 2). Lines of a file begin
 * with the time, unless the keys `log_time` and `log_format` say otherwise. A pipe may get its reader later. Returns NULL with errno set when it cannot be opened. */
struct reef_log_writer *reef_log_writer_open(const char *path, int fd);

/* From now on this is the log of the process: lines that are put with the writer NULL go there, until it is closed. */
void reef_log_writer_serve_process(struct reef_log_writer *w);

/* Puts one line, without its newline, behind the others. With w NULL: into the log of the process. False: there is
 * none. */
bool reef_log_writer_line(struct reef_log_writer *w, const struct reef_log_line *line, const char *text, size_t size);

/* The file that has the path now is opened and written from now on; lines that still wait go there. */
void reef_log_writer_reopen(struct reef_log_writer *w);

/* No line follows. What waits is still written; then the writer is freed. */
void reef_log_writer_close(struct reef_log_writer *w);

/* Waits until all that the writers have is written, or cannot be, or `deadline_ns` (reef_now_ns scale) has passed. What
 * is left then is said on stderr. */
void reef_log_writer_finish(uint64_t deadline_ns);

/* Of all writers since the start. */
struct reef_log_numbers {
	uint64_t lines[REEF_LOG_LEVELS]; /* that were logged */
	uint64_t lost;                   /* for which there was no room */
	uint64_t waiting;                /* bytes that are not written yet */
	bool failing;                    /* one of them cannot write at the moment */
};
struct reef_log_numbers reef_log_writer_numbers(void);

#endif
