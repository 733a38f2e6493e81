/* Replaces variables: see config_text.h. The text is looked through once, from its first byte to its last; what a variable
 * brings is not looked at, so it can neither begin nor end a comment for us. */
#include "config_text.h"

#include <ctype.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define LONGEST_NAME 256 /* bytes, with a zero */

struct expansion {
	struct reef_text *out;
	const char *at, *end;
	int line;
	void (*problem)(void *ud, int line, const char *message);
	void *ud;
};

static void copy_until(struct expansion *e, const char *end) {
	reef_text_add(e->out, e->at, (size_t)(end - e->at));
	for (; e->at < end; e->at++)
		e->line += *e->at == '\n';
}

static size_t left(const struct expansion *e) {
	return (size_t)(e->end - e->at);
}

/* Of `[[`, `[=[` ... at `p`: how many bytes that is; 0: it is none. */
static size_t long_bracket(const char *p, const char *end) {
	const char *start = p;
	if (p == end || *p++ != '[')
		return 0;
	while (p < end && *p == '=')
		p++;
	return p < end && *p == '[' ? (size_t)(p + 1 - start) : 0;
}

/* Behind the bracket that closes one of `size` bytes; the end of the text where nothing does. */
static const char *after_long_bracket(const char *p, const char *end, size_t size) {
	for (; (size_t)(end - p) >= size; p++) {
		size_t i = 1;
		while (*p == ']' && i < size - 1 && p[i] == '=')
			i++;
		if (*p == ']' && i == size - 1 && p[i] == ']')
			return p + size;
	}
	return end;
}

static void copy_comment(struct expansion *e) {
	size_t size = long_bracket(e->at + 2, e->end);
	if (size > 0) {
		copy_until(e, after_long_bracket(e->at + 2 + size, e->end, size));
		return;
	}
	const char *newline = memchr(e->at, '\n', left(e));
	copy_until(e, newline ? newline : e->end);
}

static bool is_name(int c) {
	return isalnum(c) || c == '_';
}

static const char *after_name(const char *p, const char *end) {
	while (p < end && is_name((unsigned char)*p))
		p++;
	return p;
}

static void complain(struct expansion *e, const char *format, const char *name) {
	char message[LONGEST_NAME + 160];
	snprintf(message, sizeof message, format, name);
	e->problem(e->ud, e->line, message);
}

static void add_variable(struct expansion *e, const char *name, const char *other, size_t other_size) {
	const char *value = getenv(name);
	if (other != NULL && (value == NULL || *value == '\0'))
		reef_text_add(e->out, other, other_size);
	else if (value != NULL)
		reef_text_add(e->out, value, strlen(value));
	else {
		complain(e, "the environment variable $%s is not set; \"${NAME:-text}\" has a text for that", name);
		reef_text_add(e->out, name, strlen(name));
	}
}

/* `e->at` is at a dollar sign. */
static void expand_one(struct expansion *e) {
	const char *start = e->at + 1;
	bool braces = start < e->end && *start == '{';
	if (start < e->end && *start == '$') {
		reef_text_add(e->out, "$", 1);
		e->at += 2;
		return;
	}
	start += braces;
	const char *stop = after_name(start, e->end), *after = stop, *other = NULL;
	size_t other_size = 0;
	char name[LONGEST_NAME];
	bool good = stop > start && (size_t)(stop - start) < sizeof name;
	if (good && braces) {
		after = memchr(stop, '}', (size_t)(e->end - stop));
		if (after != NULL && after - stop >= 2 && stop[0] == ':' && stop[1] == '-') {
			other = stop + 2;
			other_size = (size_t)(after - other);
			good = memchr(other, '\n', other_size) == NULL;
		} else {
			good = after == stop;
		}
		after = good ? after + 1 : stop;
	}
	if (good) {
		snprintf(name, sizeof name, "%.*s", (int)(stop - start), start);
		add_variable(e, name, other, other_size);
	} else if (braces) {
		complain(e, "%s is followed by neither NAME} nor NAME:-text}", "${");
	} else {
		complain(e, stop > start ? "the name behind %s is too long" : "a %s without a name; $$ is a dollar sign", "$");
	}
	e->at = after;
}

/* A string that has no line of its own; what is between its quotes may have variables. */
static void copy_string(struct expansion *e) {
	char quote = *e->at;
	copy_until(e, e->at + 1);
	while (e->at < e->end && *e->at != quote && *e->at != '\n') {
		if (*e->at == '$')
			expand_one(e);
		else
			copy_until(e, e->at + (*e->at == '\\' && left(e) > 1 && e->at[1] != '$' ? 2 : 1));
	}
	if (e->at < e->end)
		copy_until(e, e->at + 1);
}

static void copy_long_string(struct expansion *e, size_t size) {
	const char *stop = after_long_bracket(e->at + size, e->end, size);
	while (e->at < stop) {
		if (*e->at == '$')
			expand_one(e);
		else
			copy_until(e, e->at + 1);
	}
}

void reef_config_expand(struct reef_text *out, const char *text, size_t size,
						void (*problem)(void *ud, int line, const char *message), void *ud) {
	struct expansion e = {.out = out, .at = text, .end = text + size, .line = 1, .problem = problem, .ud = ud};
	if (size >= 3 && memcmp(text, "\xef\xbb\xbf", 3) == 0)
		e.at += 3;
	while (e.at < e.end) {
		size_t bracket = long_bracket(e.at, e.end);
		if (*e.at == '$')
			expand_one(&e);
		else if (left(&e) > 1 && e.at[0] == '-' && e.at[1] == '-')
			copy_comment(&e);
		else if (*e.at == '"' || *e.at == '\'')
			copy_string(&e);
		else if (bracket > 0)
			copy_long_string(&e, bracket);
		else
			copy_until(&e, e.at + 1);
	}
}
