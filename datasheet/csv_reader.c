/* See csv_reader.h. */
#include "csv_reader.h"

#include <string.h>

#include "load.h"

/* libcsv has said what is in the field; where it ends, the text says. It was found to be good, so behind a closing quote come
 * blanks at most. */
static const char *end_of_field(const struct reef_csv_reader *reader, size_t n) {
	const char *p = reader->start, *end = reader->end;
	if (p < end && *p == '"') {
		do {
			p = memchr(p + 1, '"', (size_t)(end - p - 1));
			if (p == NULL)
				return end;
			p++;
		} while (p < end && *p == '"');
	} else {
		p += n;
	}
	while (p < end && *p != reader->separator && *p != '\n' && *p != '\r')
		p++;
	return p + (p < end);
}

static void csv_field(void *bytes, size_t n, void *ud) {
	struct reef_csv_reader *reader = ud;
	const char *p = reader->start;
	/* Blank lines and spaces before the field are not part of it. */
	while (p < reader->end && *p != reader->separator &&
		   (*p == ' ' || *p == '\t' || (reader->fields == 0 && (*p == '\r' || *p == '\n'))))
		p++;
	reader->start = p;
	if (reader->fields == 0)
		reader->row_start = p;
	const char *next = end_of_field(reader, n);
	reader->field(reader, bytes, n);
	reader->fields++;
	reader->start = next;
}

static void csv_row(int terminator, void *ud) {
	struct reef_csv_reader *reader = ud;
	(void)terminator;
	reader->row(reader);
	reader->rows++;
	reader->fields = 0;
}

bool reef_csv_reader_is_quoted(const struct reef_csv_reader *reader) {
	return reader->start < reader->end && *reader->start == '"';
}

void reef_csv_reader_problem(struct reef_csv_reader *reader, const char *at) {
	reef_place_move(&reader->place, at);
	reef_load_problem(reader->L, reader->problems, reader->place.line, reader->place.column);
}

/* Behind the line's end; `*newline` is the next one from `p` on if it is not before `p`. */
static const char *end_of_line(const char *p, const char *end, const char **newline) {
	if (*newline < p) {
		*newline = memchr(p, '\n', (size_t)(end - p));
		if (*newline == NULL)
			*newline = end;
	}
	const char *other = memchr(p, '\r', (size_t)(*newline - p));
	return other != NULL ? other + 1 : *newline + (*newline < end);
}

/* Goes through the text. False: it stops at an error, and a problem was added (unless `problems` is 0). */
static bool read_text(struct reef_csv_reader *reader) {
	const char *p = reader->text, *newline = NULL;
	reef_place_init(&reader->place, p);
	reader->start = reader->row_start = p;
	reader->rows = reader->fields = 0;
	char *why = NULL;
	while (p < reader->end && !reader->stop) {
		const char *q = end_of_line(p, reader->end, &newline);
		size_t used = csv_parse(&reader->parser, p, (size_t)(q - p), csv_field, csv_row, reader);
		if (used != (size_t)(q - p)) {
			p += used;
			why = csv_error(&reader->parser) == CSV_EPARSE ? "a quote in the middle of a field; a field with quotes is "
															 "quoted itself, and quotes in it are doubled"
														   : csv_strerror(csv_error(&reader->parser));
			break;
		}
		p = q;
	}
	if (why == NULL && !reader->stop && csv_fini(&reader->parser, csv_field, csv_row, reader) != 0) {
		why = "this quote has no end";
		p = reader->start;
		while (p < reader->end && *p != '"')
			p++;
	}
	if (why == NULL)
		return true;
	if (reader->problems != 0) {
		lua_pushstring(reader->L, why);
		reef_csv_reader_problem(reader, p < reader->place.at ? reader->place.at : p);
	}
	return false;
}

void reef_csv_reader_init(struct reef_csv_reader *reader, lua_State *L, const char *text, size_t n,
						  const char *separator) {
	*reader = (struct reef_csv_reader){.L = L, .text = text, .end = text + n, .separator = *separator};
	reef_place_init(&reader->place, text);
}

bool reef_csv_reader_pass(struct reef_csv_reader *reader, void (*field)(struct reef_csv_reader *, const char *, size_t),
						  void (*row)(struct reef_csv_reader *)) {
	csv_free(&reader->parser);
	if (csv_init(&reader->parser, CSV_STRICT | CSV_STRICT_FINI | CSV_APPEND_NULL | CSV_EMPTY_IS_NULL) != 0)
		return false;
	csv_set_delim(&reader->parser, (unsigned char)reader->separator);
	reader->field = field;
	reader->row = row;
	reader->stop = false;
	return read_text(reader);
}
