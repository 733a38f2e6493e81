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
#include "log_writer.h"

#define SHORT_LINE 256

static struct reef_log_writer *stderr_writer;
static _Atomic(uint32_t) log_service;
static reef_log_send send_line;

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

static void put_line(uint32_t source, const char *head, const char *text, size_t size, bool red) {
	static pthread_once_t once = PTHREAD_ONCE_INIT;
	if (reef_log_writer_line(NULL, source, head, text, size, red) || put_to_service(source, head, text, size))
		return;
	pthread_once(&once, open_stderr);
	if (stderr_writer)
		reef_log_writer_line(stderr_writer, source, head, text, size, red);
}

void reef_log_bytes(uint32_t source, const char *text, size_t size) {
	put_line(source, "", text, size, false);
}

void reef_log_text(uint32_t source, const char *head, const char *text) {
	put_line(source, head, text, strlen(text), false);
}

void reef_log_error(uint32_t source, const char *head, const char *text, size_t size) {
	put_line(source, head, text, size, true);
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
