/* The list of sheets. Services look into it while they run; it changes while the world stands still. */
#include "sheets.h"

#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "retired.h"
#include "sharetable/trail.h"

static struct reef_sheet *sheets;
/* Guards the list against services that ask. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

struct reef_sheet *reef_sheets_find(const char *name) {
	struct reef_sheet *sheet = sheets;
	while (sheet != NULL && strcmp(sheet->name, name) != 0)
		sheet = sheet->next;
	return sheet;
}

struct reef_sheet *reef_sheets_new(const char *name) {
	struct reef_sheet *sheet = reef_try_malloc(sizeof(*sheet) + strlen(name) + 1);
	if (sheet != NULL) {
		*sheet = (struct reef_sheet){0};
		strcpy(sheet->name, name);
	}
	return sheet;
}

void reef_sheets_insert(struct reef_sheet *sheet) {
	pthread_mutex_lock(&lock);
	sheet->next = sheets;
	sheets = sheet;
	pthread_mutex_unlock(&lock);
}

void reef_sheets_remove(struct reef_sheet *sheet) {
	pthread_mutex_lock(&lock);
	struct reef_sheet **link = &sheets;
	while (*link != sheet)
		link = &(*link)->next;
	*link = sheet->next;
	pthread_mutex_unlock(&lock);
}

static struct reef_sheet *find_locked(const char *name) {
	pthread_mutex_lock(&lock);
	struct reef_sheet *sheet = reef_sheets_find(name);
	pthread_mutex_unlock(&lock);
	return sheet;
}

bool reef_sheets_exists(const char *name) {
	return find_locked(name) != NULL;
}

bool reef_sheets_query(lua_State *L, const char *name) {
	struct reef_sheet *sheet = find_locked(name);
	if (sheet == NULL)
		return false;
	reef_retired_add_reader(L);
	sethvalue2s(L, REEF_TOP(L), &sheet->root->table);
	REEF_TOP(L)++;
	return true;
}

/* A search over everything: only messages need it. The world stands still for nobody who is in a slice. */
static bool find_path(const struct Table *t, char *out, size_t size) {
	if (reef_retired_path(t, out, size))
		return true;
	pthread_mutex_lock(&lock);
	struct reef_sheet *first = sheets;
	pthread_mutex_unlock(&lock);
	for (struct reef_sheet *sheet = first; sheet != NULL; sheet = sheet->next) {
		if (reef_trail_find(&sheet->root->table, t, sheet->name, out, size))
			return true;
	}
	return false;
}

static void path_of_row(struct reef_owner *owner, const struct Table *t, char *out, size_t size) {
	unsigned tries = 0;
	(void)owner;
	snprintf(out, size, "a row of a datasheet");
	while (!find_path(t, out, size) && reef_retired_ask_again(&tries))
		continue;
}

void reef_sheets_setup(void) {
	reef_row_owner.path = path_of_row;
}
