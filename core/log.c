/* The log: see log.h. */
#include "log.h"

#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "alloc.h"
#include "log_writer.h"
#include "runtime.h"
#include "service.h"
#include "text.h"

#define SHORT_LINE 256

static struct reef_log_writer *stderr_writer;

static void open_stderr(void) {
	stderr_writer = reef_log_writer_open(NULL, STDERR_FILENO);
}

static bool send_line(uint32_t source, const char *head, const char *text, size_t size) {
	uint32_t logger = reef_runtime_logger();
	if (logger == 0)
		return false;
	struct reef_text line = {0};
	reef_text_add(&line, head, strlen(head));
	reef_text_add_clean(&line, text, size);
	bool sent = reef_send_copy(source, logger, REEF_PTYPE_TEXT, 0, line.data ? line.data : "", line.size);
	reef_text_free(&line);
	return sent;
}

static void put(uint32_t source, const char *head, const char *text, size_t size, bool red) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	if (reef_log_writer_line(NULL, source, head, text, size, red) || send_line(source, head, text, size))
		return;
	pthread_once(&once, open_stderr);
	if (stderr_writer)
		reef_log_writer_line(stderr_writer, source, head, text, size, red);
}

void reef_log_bytes(uint32_t source, const char *text, size_t size) {
	put(source, "", text, size, false);
}

void reef_log_error(uint32_t source, const char *head, const char *text, size_t size) {
	put(source, head, text, size, true);
}

void reef_log(uint32_t source, const char *format, ...) {
	char line[SHORT_LINE], *text = line;
	va_list args;
	va_start(args, format);
	int n = vsnprintf(line, sizeof line, format, args);
	va_end(args);
	if (n < 0)
		return;
	if ((size_t)n >= sizeof line) {
		text = reef_try_malloc((size_t)n + 1);
		if (text == NULL) {
			text = line;
			n = sizeof line - 1;
		} else {
			va_start(args, format);
			vsnprintf(text, (size_t)n + 1, format, args);
			va_end(args);
		}
	}
	reef_log_bytes(source, text, (size_t)n);
	if (text != line)
		reef_free(text);
}
