/* Lines of the log: see log_line.h. */
#include "log_line.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "clean.h"
#include "clock.h"
#include "name.h"

#define RED "\x1b[31m"
#define YELLOW "\x1b[33m"
#define NO_COLOUR "\x1b[0m"

static void add(struct reef_text *t, const char *text) {
	reef_text_add(t, text, strlen(text));
}

/* ---- time ---- */

/* The second's text is made once. */
static void add_short_time(struct reef_text *t) {
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
	int n = snprintf(line, sizeof line, "%s.%02d", text, (int)(cs % 100));
	reef_text_add(t, line, (size_t)n);
}

static void add_iso_time(struct reef_text *t) {
	static char text[64], zone[16];
	static time_t known = -1;
	struct timespec now;
	reef_clock_wall(&now);
	if (now.tv_sec != known) {
		struct tm local;
		localtime_r(&now.tv_sec, &local);
		strftime(text, sizeof text, "%Y-%m-%dT%H:%M:%S", &local);
		long minutes = local.tm_gmtoff / 60, most = labs(minutes);
		snprintf(zone, sizeof zone, "%c%02d:%02d", minutes < 0 ? '-' : '+', (int)(most / 60), (int)(most % 60));
		known = now.tv_sec;
	}
	char line[96];
	int n = snprintf(line, sizeof line, "%s.%03d%s", text, (int)(now.tv_nsec / 1000000), zone);
	reef_text_add(t, line, (size_t)n);
}

/* ---- text ---- */

static bool is_like_a_line(const char *p, size_t left) {
	return left > 1 && ((p[0] == '[' && p[1] == ':') || (p[0] >= '0' && p[0] <= '9') || p[0] == '<');
}

static void add_priority(struct reef_text *t, enum reef_log_level level) {
	static const char *const priorities[] = {"<7>", "<6>", "<6>", "<4>", "<3>"};
	add(t, priorities[level]);
}

/* Text of several lines is legal, but none of them may look as if it were a line of the log: a tab says that it goes on. */
static void add_with_marks(struct reef_text *t, const struct reef_log_style *style, enum reef_log_level level,
						   const struct reef_text *text) {
	const char *p = text->data, *end = p + text->size;
	while (p < end) {
		const char *newline = memchr(p, '\n', (size_t)(end - p));
		const char *next = newline ? newline + 1 : end;
		reef_text_add(t, p, (size_t)(next - p));
		if (newline && style->journal)
			add_priority(t, level);
		if (newline && is_like_a_line(next, (size_t)(end - next)))
			add(t, "\t");
		p = next;
	}
}

static const char *colour_of(enum reef_log_level level) {
	return level == REEF_LOG_ERROR ? RED : level == REEF_LOG_WARN ? YELLOW : NULL;
}

static void add_text_line(struct reef_text *t, const struct reef_log_style *style, const struct reef_log_line *line,
						  const struct reef_text *text) {
	char mark[4 + REEF_HANDLE_TEXT] = "[";
	const char *colour = style->colours ? colour_of(line->level) : NULL;
	strcpy(reef_handle_text(mark + 1, line->source) + REEF_HANDLE_TEXT - 1, "] ");
	if (style->journal)
		add_priority(t, line->level);
	if (style->time == REEF_LOG_TIME_SHORT)
		add_short_time(t);
	else if (style->time == REEF_LOG_TIME_ISO)
		add_iso_time(t);
	if (style->time != REEF_LOG_TIME_NONE)
		add(t, " ");
	add(t, mark);
	add(t, line->head);
	if (colour)
		add(t, colour);
	add_with_marks(t, style, line->level, text);
	if (colour)
		add(t, NO_COLOUR);
}

/* ---- JSON ---- */

/* Clean text has newlines and tabs, and no other control characters. */
static void add_json_bytes(struct reef_text *t, const char *p, size_t size) {
	const char *end = p + size;
	while (p < end) {
		const char *start = p;
		while (p < end && *p != '"' && *p != '\\' && *p != '\n' && *p != '\t')
			p++;
		reef_text_add(t, start, (size_t)(p - start));
		if (p < end)
			add(t, *p == '\n' ? "\\n" : *p == '\t' ? "\\t" : *p == '"' ? "\\\"" : "\\\\");
		p++;
	}
}

static void add_json_line(struct reef_text *t, const struct reef_log_line *line, const struct reef_text *text) {
	char middle[80];
	size_t label = 0;
	if (*line->head == '\0')
		reef_log_level_of(text->data ? text->data : "", text->size, &label);
	add(t, "{\"time\":\"");
	add_iso_time(t);
	snprintf(middle, sizeof middle, "\",\"level\":\"%s\",\"service\":\":%08x\"", reef_log_level_name(line->level),
			 line->source);
	add(t, middle);
	if (line->name) {
		struct reef_text name = {0};
		reef_clean_add(&name, line->name, line->name_size);
		add(t, ",\"name\":\"");
		add_json_bytes(t, name.data, name.size);
		add(t, "\"");
		reef_text_free(&name);
	}
	add(t, ",\"text\":\"");
	add_json_bytes(t, line->head, strlen(line->head));
	if (text->size > label)
		add_json_bytes(t, text->data + label, text->size - label);
	add(t, "\"}");
}

void reef_log_line_add(struct reef_text *t, const struct reef_log_style *style, const struct reef_log_line *line,
					   const struct reef_text *text) {
	if (style->json)
		add_json_line(t, line, text);
	else
		add_text_line(t, style, line, text);
	add(t, "\n");
}
