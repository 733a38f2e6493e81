/* See csv_reader.h. */
#include "csv_reader.h"

#include <string.h>

#include "load.h"

static void csv_field(void *bytes, size_t n, void *ud) {
	struct reef_csv_reader *reader = ud;
	/* Blank lines and spaces before the field are not part of it. */
	const char *skipped = reader->fields == 0 ? " \t\r\n" : " \t";
	while (reader->start < reader->piece_end && *reader->start != reader->separator && *reader->start != '\0' &&
		   strchr(skipped, *reader->start))
		reader->start++;
	if (reader->fields == 0)
		reader->row_start = reader->start;
	reader->field(reader, bytes, n);
	reader->fields++;
	reader->start = reader->piece_end;
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

/* Goes through the text. False: it stops at an error, and a problem was added (unless `problems` is 0). */
static bool read_text(struct reef_csv_reader *reader) {
	const char *p = reader->text;
	reef_place_init(&reader->place, p);
	reader->start = reader->row_start = p;
	reader->rows = reader->fields = 0;
	char *why = NULL;
	while (p < reader->end && !reader->stop) {
		const char *q = p;
		while (q < reader->end && *q != reader->separator && *q != '\n' && *q != '\r')
			q++;
		q += q < reader->end;
		reader->piece_end = q;
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
