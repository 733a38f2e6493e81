/* The log: see log.h. */
#include "log.h"

#include <stdarg.h>
#include <stdio.h>

#include "alloc.h"
#include "runtime.h"
#include "service.h"

#define SHORT_LINE 256

void reef_log_bytes(uint32_t source, const char *text, size_t size) {
	uint32_t logger = reef_runtime_logger();
	if (logger == 0 || !reef_send_copy(source, logger, REEF_PTYPE_TEXT, 0, text, size)) {
		fprintf(stderr, "[:%08x] %.*s\n", source, (int)size, text);
		fflush(stderr);
	}
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
