/* Rows and strings of datasheets: shared tables that are switched to new content while they stay where they are.
 *
 * A row is a Lua table header that lives on as long as some sheet leads to it; readers hold it. Its content (array and
 * nodes, one block) is exchanged when the world stands still; the first lies behind the header, and so does every second
 * one after it if it fits, which makes reading faster. Strings of the contents are kept once for all sheets and
 * counted. Everything here is for the one thread that is publishing (sheets.h), but for what says otherwise; readers only
 * read.
 */
#ifndef REEF_DATASHEET_ROW_H
#define REEF_DATASHEET_ROW_H

#include <stdbool.h>
#include <stdint.h>

#include "sharetable/layout.h"
#include "sharetable/overlay/ov.h"
#include "sharetable/overlay/owner.h"

struct reef_note;

#define REEF_MANY UINT16_MAX
#define REEF_ROOM_MAX ((size_t)INT16_MAX)

struct reef_row {
	Table table;
	union {
		struct {
			uint32_t refs;        /* cells of contents, and sheets, that lead to it */
			uint16_t entries;     /* of the hash part; REEF_MANY: so many or more */
			uint16_t room : 15;   /* for a content behind the row, in units of 8 bytes */
			uint16_t planned : 1; /* the plan has a table for it; written while others read what is above (beside.h) */
		};
		struct reef_note *note; /* of a retired row */
	};
};

static inline struct reef_row *reef_row_of(const Table *t) {
	return (struct reef_row *)(void *)t;
}

/* The owner of all rows and strings of datasheets. Who knows where rows are sets its `path` at start-up. */
extern struct reef_owner reef_row_owner;

/* An empty row without references, not shared yet, with room for a content of that layout. NULL when out of memory. */
struct reef_row *reef_row_new(const struct reef_layout *layout);
/* No sheet leads to it any more. */
void reef_row_retire(struct reef_row *row, struct reef_note *note);
/* A retired one, without its content. Any thread. */
void reef_row_free(struct reef_row *row);
/* It is filled: from now on stock Lua cannot write it. */
void reef_row_share(struct reef_row *row);

/* Gives a header, the row's or one that will be exchanged with it, a content of that layout, its array empty. False when
 * out of memory. */
bool reef_content_new(struct reef_row *row, const struct reef_layout *layout, Table *t);
/* Frees a content that is or was the row's. */
void reef_content_free(const struct reef_row *row, Table *t);

/* Exchanges the contents of two headers, that is all but what makes them objects. */
void reef_content_exchange(Table *a, Table *b);

/* Is the value that a content has still right, if neither is a table? */
bool reef_row_is_same(const TValue *old, const TValue *new);

/* All entries of a content. */
static inline struct reef_entries reef_content_entries(const Table *t) {
	return reef_entries_of(t, t->alimit);
}

/* The shared string like `source`, with one more reference. `name`: pool it if it is an identifier. NULL when out of
 * memory. */
TString *reef_row_string(const TString *source, bool name);
/* A shared string like `source` that is no sheet's and that nobody else finds: whoever made it retires it (retired.h), or
 * frees it if no VM has seen it. Any thread. NULL when out of memory. */
TString *reef_row_string_copy(const TString *source);
/* True: that was the last reference. Nobody finds the string any more, but readers may still hold it. */
bool reef_row_string_unref(TString *s);
/* Any thread. */
void reef_row_string_free(TString *s);

/* Who keeps a row or string that no sheet leads to may link it into a list of his own here. Any thread. */
GCObject **reef_row_link(GCObject *o);
/* Bytes of a row with its content, if that is not behind it, or of a string. */
size_t reef_row_size(const GCObject *o);

/* Rows, strings, and the bytes of all of these with the contents. Any thread. */
void reef_row_stat(size_t *rows, size_t *strings, size_t *bytes);

#endif
