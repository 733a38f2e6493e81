/* Lines of the log: see log_line.h. */
#include "log_line.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

#include "clock.h"

#define RED "\x1b[31m"
#define NO_COLOUR "\x1b[0m"

/* `DD/MM/YY HH:MM:SS.cc `, the local time; the second's text is made once. */
static void add_time(struct reef_text *t) {
	static char text[64];
	static time_t known = -1;
	uint64_t cs = reef_now_cs();
	time_t second = (time_t)(reef_start_time() + cs / 100);
	if (second != known) {
		struct tm local;
		localtime_r(&second, &local);
		strftime(text, sizeof text, "%d/%m/%y %H:%M:%S", &local);
		known = second;
	}
	char line[80];
	int n = snprintf(line, sizeof line, "%s.%02d ", text, (int)(cs % 100));
	reef_text_add(t, line, (size_t)n);
}

static bool is_like_a_line(const char *p, size_t left) {
	return left > 1 && ((p[0] == '[' && p[1] == ':') || (p[0] >= '0' && p[0] <= '9'));
}

/* Text of several lines is legal, but none of them may look as if it were a line of the log: a tab says that it goes on. */
static void add_with_marks(struct reef_text *t, const struct reef_text *text) {
	const char *p = text->data, *end = p + text->size;
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *next = newline ? newline + 1 : end;
		reef_text_add(t, p, (size_t)(next - p));
		if (newline && is_like_a_line(next, (size_t)(end - next)))
			reef_text_add(t, "\t", 1);
		p = next;
	}
}

void reef_log_line_add(struct reef_text *t, bool timed, uint32_t source, const char *head, const struct reef_text *text,
					   bool red) {
	char mark[32];
	int n = snprintf(mark, sizeof mark, "[:%08x] ", source);
	if (timed)
		add_time(t);
	reef_text_add(t, mark, (size_t)n);
	reef_text_add(t, head, strlen(head));
	if (red)
		reef_text_add(t, RED, sizeof RED - 1);
	add_with_marks(t, text);
	if (red)
		reef_text_add(t, NO_COLOUR, sizeof NO_COLOUR - 1);
	reef_text_add(t, "\n", 1);
}
