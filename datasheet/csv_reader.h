/* CSV text (RFC 4180) as fields that know where they are, by libcsv.
 *
 * libcsv says what is in a field, not where it was. So the reader goes along the text beside it, from the beginning of one
 * field to that of the next. It feeds libcsv line by line, so that it can stop behind the header. The reader lives in its user's frame; the text is the
 * user's. Own slice only.
 */
#ifndef REEF_DATASHEET_CSV_READER_H
#define REEF_DATASHEET_CSV_READER_H

#include <stdbool.h>
#include <stddef.h>

#include <csv.h>
#include <lua.h>

#include "place.h"

struct reef_csv_column;

struct reef_csv_reader {
	lua_State *L;
	const char *text, *end;
	char separator;
	struct csv_parser parser;
	void (*field)(struct reef_csv_reader *reader, const char *bytes, size_t n);
	void (*row)(struct reef_csv_reader *reader);
	const char *start, *row_start; /* where the current field begins, and the current row */
	size_t rows, fields;           /* rows that are complete, fields of the current row that are; the header is row 0 */
	bool stop;                     /* the rest is of no interest */
	struct reef_place place;
	struct reef_csv_column *columns;
	size_t width;
	const void *model, *made; /* what rows are made after, if they are; the current one */
	int names, problems, out; /* stack indices: names of columns, problems, what is made */
};

/* The separator is the first character of its text. csv_free(&reader->parser) ends it. */
void reef_csv_reader_init(struct reef_csv_reader *reader, lua_State *L, const char *text, size_t n,
						  const char *separator);
/* Goes through the text from its beginning, calling these for each field and at the end of each row. False: it stopped at
 * an error, and a problem was added (unless `problems` is 0); or there is no memory. */
bool reef_csv_reader_pass(struct reef_csv_reader *reader, void (*field)(struct reef_csv_reader *, const char *, size_t),
						  void (*row)(struct reef_csv_reader *));
/* Was the current field written in quotes? */
bool reef_csv_reader_is_quoted(const struct reef_csv_reader *reader);
/* Adds a problem, whose message is on top of the stack and is popped. */
void reef_csv_reader_problem(struct reef_csv_reader *reader, const char *at);

#endif
