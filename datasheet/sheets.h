/* The sheets that there are: named trees of rows that all services read, and that change for all of them at the same moment
 * (publish.h). */
#ifndef REEF_DATASHEET_SHEETS_H
#define REEF_DATASHEET_SHEETS_H

#include <stdbool.h>
#include <stdint.h>

#include <lua.h>

#include "row.h"

struct reef_sheet {
	struct reef_sheet *next;
	struct reef_row *root;
	uint64_t version; /* 0: not in the list yet */
	char name[];
};

/* Start-up: rows can be found from now on, for messages. */
void reef_sheets_setup(void);

/* By who is publishing; NULL if there is none. */
struct reef_sheet *reef_sheets_find(const char *name);
/* A sheet that nobody finds yet, to be freed with reef_free. NULL when out of memory. */
struct reef_sheet *reef_sheets_new(const char *name);
/* While the world stands still. */
void reef_sheets_insert(struct reef_sheet *sheet);
void reef_sheets_remove(struct reef_sheet *sheet);

/* Pushes the sheet of that name, and notes that the VM reads sheets. False: there is none, nothing is pushed. In the VM's
 * slice; may raise a memory error. */
bool reef_sheets_query(lua_State *L, const char *name);
/* Any thread. */
bool reef_sheets_exists(const char *name);

#endif
