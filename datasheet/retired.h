/* Rows and strings that no sheet leads to any more, and that readers may still hold.
 *
 * When enough of them have come together, every service that has ever asked for a sheet is walked (sharetable/walk.h) in a
 * slice of its own: strings become the VM's own, and what is left is noted. What nobody holds is freed. The rows of a
 * deleted sheet keep their content, so they go all at once or not at all.
 */
#ifndef REEF_DATASHEET_RETIRED_H
#define REEF_DATASHEET_RETIRED_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "row.h"

/* What is known of one retired row, or of all the rows of a deleted sheet: its path for messages, or the sheet's `root`
 * and name. NULL when out of memory. With no row yet, reef_free frees it. */
struct reef_note *reef_note_new(Table *root, const char *path);
const char *reef_note_path(const struct reef_note *note);

/* The VM reads sheets from now on. In its slice; may raise a memory error. */
void reef_retired_add_reader(lua_State *L);

/* By who is publishing: takes a row with its note, that is emptied or belongs to a deleted sheet. */
void reef_retired_add_row(struct reef_row *row, struct reef_note *note);

/* Takes a string that nobody finds any more. Any thread. */
void reef_retired_add_string(TString *s);

/* Starts a round if there is enough, or if there is anything and `now`. In a slice. */
void reef_retired_collect(bool now);

/* The content's strings have one reference less; those without any are retired. By who is publishing. */
void reef_retired_unref_strings(const Table *content);

/* Who publishes is alone with rows and contents. False: somebody else is publishing. */
bool reef_retired_begin_publishing(void);
/* Rows of deleted sheets that nobody holds any more are taken apart on this occasion. */
void reef_retired_end_publishing(void);

/* Where a retired row was; false for one that is not retired. The text is copied into `out`. */
bool reef_retired_path(const Table *t, char *out, size_t size);

/* Between the moment of a switch and these notes there is a little time: who finds nothing asks again. False: he has asked often
 * enough. `tries` begins with 0. */
bool reef_retired_ask_again(unsigned *tries);

void reef_retired_stat(size_t *count, size_t *bytes, size_t *readers);

#endif
