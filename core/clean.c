/* Text that may be shown: see clean.h. */
#include "clean.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "redact.h"

#define LONGEST_COMPLAINT 8192 /* bytes */

void reef_clean_add(struct reef_text *t, const char *text, size_t size) {
	if (!memchr(text, ':', size) && !memchr(text, '=', size) && !memchr(text, '%', size)) {
		reef_text_add_printable(t, text, size);
		return;
	}
	struct reef_text redacted = {0};
	reef_redact_add(&redacted, text, size);
	if (redacted.failed)
		t->failed = true;
	else
		reef_text_add_printable(t, redacted.data, redacted.size);
	reef_text_free(&redacted);
}

static const char *complainer = "reef";

void reef_clean_set_name(const char *name) {
	complainer = name;
}

void reef_clean_complain(const char *format, ...) {
	char text[LONGEST_COMPLAINT];
	va_list args;
	va_start(args, format);
	int n = vsnprintf(text, sizeof text, format, args);
	va_end(args);
	struct reef_text t = {0};
	if (n > 0)
		reef_clean_add(&t, text, (size_t)n < sizeof text ? (size_t)n : sizeof text - 1);
	fprintf(stderr, "%s: %.*s\n", complainer, (int)t.size, t.data ? t.data : "");
	reef_text_free(&t);
}

bool reef_clean_can_run(const char *path) {
	struct stat st;
	int error = access(path, R_OK) != 0 || stat(path, &st) != 0 ? errno : S_ISDIR(st.st_mode) ? EISDIR : 0;
	if (error != 0)
		reef_clean_complain("cannot run %s: %s", path, strerror(error));
	return error == 0;
}
