/* Rows and strings that no sheet leads to any more, and that readers may still hold.
 *
 * When enough of them have come together, every service that has ever asked for a sheet is walked (sharetable/walk.h) in a
 * slice of its own: strings become the VM's own, and what is left is noted. What nobody holds is freed.
 */
#ifndef REEF_DATASHEET_RETIRED_H
#define REEF_DATASHEET_RETIRED_H

#include <stddef.h>

#include <lua.h>

#include "row.h"

/* The VM reads sheets from now on. In its slice; may raise a memory error. */
void reef_retired_add_reader(lua_State *L);

/* By who is publishing: takes a string, or an emptied row (`path`, for messages, is taken, too). */
void reef_retired_add_string(TString *s);
void reef_retired_add_row(struct reef_row *row, char *path);

/* Starts a round if there is enough, or if there is anything and `now`. In a slice. */
void reef_retired_collect(bool now);

/* Where a row was before it was removed; NULL for one that was not. The text is copied into `out`. */
bool reef_retired_path(const Table *t, char *out, size_t size);

void reef_retired_stat(size_t *count, size_t *bytes, size_t *readers);

#endif
