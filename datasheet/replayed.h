/* Sheets out of a record (journal.h): real rows, which are switched where the record says so. One service in the process, its
 * own slice. */
#ifndef REEF_DATASHEET_REPLAYED_H
#define REEF_DATASHEET_REPLAYED_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

struct reef_row;

/* Start-up. */
void reef_replayed_setup(void);
/* Does what the sections say. False: they are wrong. May raise a memory error. */
bool reef_replayed_apply(lua_State *L, const char *bytes, size_t size);
/* The row that had that address; NULL: there is none. */
struct reef_row *reef_replayed_row(uint64_t address);
/* There is a sheet of that name. */
void reef_replayed_sheet(const char *name, struct reef_row *root);

#endif
