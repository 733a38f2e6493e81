/* The log: see log.h. */
#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "clean.h"
#include "log_recent.h"
#include "log_writer.h"
#include "seam.h"
#include "sim.h"

#define SHORT_LINE 256

static struct reef_log_writer *stderr_writer;
static _Atomic(uint32_t) log_service;
static reef_log_send send_line;
static reef_log_namer name_of_source;

static void open_stderr(void) {
	stderr_writer = reef_log_writer_open(NULL, STDERR_FILENO);
}

uint32_t reef_log_service(void) {
	return atomic_load_explicit(&log_service, memory_order_relaxed);
}

void reef_log_set_service(uint32_t handle, reef_log_send send) {
	send_line = send;
	atomic_store(&log_service, handle);
}

void reef_log_set_namer(reef_log_namer namer) {
	name_of_source = namer;
}

static bool put_to_service(uint32_t source, const char *head, const char *text, size_t size) {
	uint32_t service = reef_log_service();
	if (service == 0)
		return false;
	struct reef_text line = {0};
	reef_text_add(&line, head, strlen(head));
	reef_clean_add(&line, text, size);
	bool sent = send_line(source, service, line.data ? line.data : "", line.size);
	reef_text_free(&line);
	return sent;
}

static void put_line(struct reef_log_line *line, const char *text, size_t size) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		seam->act(seam, REEF_SEAM_LOG, &(struct reef_seam_about){.a = line->level, .bytes = text, .size = size});
	(void)reef_seam_leave();
	line->name = name_of_source ? name_of_source(line->source, &line->name_size) : NULL;
	reef_log_recent_add(line, text, size);
	if (reef_sim_on)
		reef_sim_note_line(line->source, text, size);
	if (!reef_log_writer_line(NULL, line, text, size) && !put_to_service(line->source, line->head, text, size)) {
		pthread_once(&once, open_stderr);
		if (stderr_writer)
			reef_log_writer_line(stderr_writer, line, text, size);
	}
	reef_seam_return(seam);
}

void reef_log_bytes(uint32_t source, const char *text, size_t size) {
	size_t label;
	put_line(&(struct reef_log_line){.source = source, .level = reef_log_level_of(text, size, &label), .head = ""},
			 text, size);
}

void reef_log_text(enum reef_log_level level, uint32_t source, const char *head, const char *text) {
	if (level >= reef_log_threshold())
		put_line(&(struct reef_log_line){.source = source, .level = level, .head = head}, text, strlen(text));
}

void reef_log_error(uint32_t source, const char *head, const char *text, size_t size) {
	put_line(&(struct reef_log_line){.source = source, .level = REEF_LOG_ERROR, .head = head}, text, size);
}

/* `level`: that of the line; NULL: what the text says. */
static void put_format(const enum reef_log_level *level, uint32_t source, const char *format, va_list args) {
	char line[SHORT_LINE], *text = line;
	va_list again;
	va_copy(again, args);
	int n = vsnprintf(line, sizeof line, format, args);
	if (n >= (int)sizeof line) {
		text = reef_try_malloc((size_t)n + 1);
		if (text == NULL) {
			text = line;
			n = sizeof line - 1;
		} else {
			vsnprintf(text, (size_t)n + 1, format, again);
		}
	}
	va_end(again);
	size_t label;
	if (n >= 0) {
		struct reef_log_line said = {.source = source, .head = ""};
		said.level = level ? *level : reef_log_level_of(text, (size_t)n, &label);
		if (said.level >= reef_log_threshold())
			put_line(&said, text, (size_t)n);
	}
	if (text != line)
		reef_free(text);
}

void reef_log(uint32_t source, const char *format, ...) {
	va_list args;
	va_start(args, format);
	put_format(NULL, source, format, args);
	va_end(args);
}

void reef_log_at(enum reef_log_level level, uint32_t source, const char *format, ...) {
	va_list args;
	if (level < reef_log_threshold())
		return;
	va_start(args, format);
	put_format(&level, source, format, args);
	va_end(args);
}
