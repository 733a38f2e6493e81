/* See replayed.h. What rows had before is freed as after a publication; rows and strings that went are kept. */
#include "replayed.h"

#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/ptrmap.h"
#include "core/seam.h"
#include "journal.h"
#include "removed.h"
#include "retired.h"
#include "row.h"
#include "sharetable/picture.h"
#include "sharetable/trail.h"
#include "sheets.h"

/* A row whose content comes. */
struct coming {
	struct reef_row *row;
	uint64_t address; /* that a fresh one had */
	Table content;    /* of one that is there already */
	bool fresh;
};

static struct reef_ptrmap rows; /* by the addresses that they had */
static lua_State *vm;           /* for events, which have none */

static const void *key_of(uint64_t address) {
	return (const void *)(uintptr_t)address;
}

struct reef_row *reef_replayed_row(uint64_t address) {
	return address ? reef_ptrmap_get(&rows, key_of(address)) : NULL;
}

/* ---- rows ---- */

static bool expect_fresh(struct coming *coming, const struct reef_layout *layout, uint64_t address) {
	struct reef_row *row = reef_row_new(layout);
	if (row == NULL)
		return false;
	if (!reef_content_new(row, layout, &row->table)) {
		reef_row_free(row);
		return false;
	}
	if (!reef_ptrmap_put(&rows, key_of(address), row)) {
		reef_content_free(row, &row->table);
		reef_row_free(row);
		return false;
	}
	*coming = (struct coming){.row = row, .address = address, .fresh = true};
	return true;
}

/* A new row, or room for the new content of one. False: there is no memory, or the row comes twice, which has room for one
 * content more. */
static bool expect(struct coming *coming, const struct reef_pictured *table) {
	struct reef_layout layout = {.array = table->array, .hash = table->hash};
	struct reef_row *row = reef_replayed_row(table->id);
	if (layout.hash > 0)
		layout.log_size = cast_byte(luaO_ceillog2(layout.hash));
	if (row == NULL)
		return expect_fresh(coming, &layout, table->id);
	if (row->planned || !reef_content_new(row, &layout, &coming->content))
		return false;
	coming->row = row;
	return true;
}

/* It does not come: the section is wrong, or there is no memory for it. */
static void stay_away(struct coming *coming) {
	Table *content = coming->fresh ? &coming->row->table : &coming->content;
	reef_retired_unref_strings(content);
	reef_content_free(coming->row, content);
	coming->row->planned = 0;
	if (coming->fresh) {
		reef_ptrmap_remove(&rows, key_of(coming->address));
		reef_row_free(coming->row);
	}
}

static bool get_value(lua_State *L, struct reef_picture_reader *from, TValue *to, bool name) {
	struct reef_pictured_value value;
	TString *string;
	if (!reef_picture_get_value(from, &value))
		return false;
	if (value.type == REEF_PICTURED_TABLE) {
		struct reef_row *row = reef_replayed_row(value.number);
		if (row == NULL)
			return false;
		sethvalue(L, to, &row->table);
		return true;
	}
	reef_picture_push_value(L, &value);
	if (value.type == REEF_PICTURED_STRING) {
		string = reef_row_string(tsvalue(s2v(REEF_TOP(L) - 1)), name);
		if (string == NULL)
			luaM_error(L);
		setsvalue(L, to, string);
	} else {
		setobj(L, to, s2v(REEF_TOP(L) - 1));
	}
	lua_pop(L, 1);
	return true;
}

static bool fill(lua_State *L, struct reef_picture_reader *from, const struct reef_pictured *table, Table *content) {
	bool record = reef_layout_is_record(content);
	TValue key, value;
	for (uint32_t i = 0; i < table->array; i++)
		if (!get_value(L, from, &content->array[i], false))
			return false;
	for (uint32_t i = 0; i < table->hash; i++) {
		if (!get_value(L, from, &key, record) || !get_value(L, from, &value, false) ||
			(ttisfloat(&key) && fltvalue(&key) != fltvalue(&key)) || !isempty(luaH_get(content, &key)))
			return false;
		luaH_set(L, content, &key, &value);
	}
	reef_layout_set_flags(L, content, true);
	return true;
}

static void arrive(struct coming *coming) {
	coming->row->planned = 0;
	if (coming->fresh) {
		reef_row_share(coming->row);
		return;
	}
	reef_content_exchange(&coming->row->table, &coming->content);
	reef_retired_unref_strings(&coming->content);
	reef_content_free(coming->row, &coming->content);
}

static bool apply_rows(lua_State *L, const char *bytes, size_t size) {
	struct reef_picture_reader from = {bytes, bytes + size};
	struct REEF_ARRAY(struct coming) all = {0};
	struct reef_pictured table;
	bool whole = true;
	while (whole && from.at < from.end) {
		struct coming coming = {0}, *place = NULL;
		whole = reef_picture_get_table(&from, &table) && reef_picture_skip(&from, &table) &&
				(place = reef_array_add(&all)) != NULL && expect(&coming, &table);
		if (whole) {
			*place = coming;
			coming.row->planned = 1;
		} else if (place) {
			all.count--;
		}
	}
	from.at = bytes;
	for (size_t i = 0; whole && i < all.count; i++) {
		struct coming *coming = &all.items[i];
		whole = reef_picture_get_table(&from, &table) &&
				fill(L, &from, &table, coming->fresh ? &coming->row->table : &coming->content);
	}
	for (size_t i = 0; i < all.count; i++)
		(whole ? arrive : stay_away)(&all.items[i]);
	reef_array_fini(&all);
	return whole;
}

/* ---- what goes ---- */

static void apply_removal(uint64_t address, const char *path) {
	static const struct reef_layout nothing = {0, 0, 0};
	struct reef_row *row = reef_ptrmap_remove(&rows, key_of(address));
	struct reef_note *note = row ? reef_note_new(NULL, path) : NULL;
	Table content = {0};
	if (note == NULL)
		return;
	reef_layout_apply(&nothing, &content, NULL);
	reef_layout_set_flags(vm, &content, false);
	reef_content_exchange(&row->table, &content);
	row->table.metatable = reef_removed_metatable();
	reef_retired_unref_strings(&content);
	reef_content_free(row, &content);
	reef_retired_add_row(row, note);
}

static void apply_deletion(uint64_t address, const char *name) {
	struct reef_row *root = reef_replayed_row(address);
	struct reef_sheet *sheet = reef_sheets_find(name);
	struct reef_note *note = root ? reef_note_new(&root->table, name) : NULL;
	if (note == NULL)
		return;
	if (sheet && sheet->root == root) {
		reef_sheets_remove(sheet);
		reef_free(sheet);
	}
	struct reef_trail trail;
	struct reef_ptrmap seen;
	reef_trail_init(&trail);
	reef_ptrmap_init(&seen);
	bool whole = reef_ptrmap_put(&seen, &root->table, root) &&
				 reef_trail_add(&trail, &root->table, NULL, REEF_TRAIL_ROOT, NULL);
	for (uint32_t at = 0; whole && at < trail.steps.count; at++)
		whole = reef_trail_add_children(&trail, at, &seen);
	/* Whatever a record says leads to rows that are gone, or to no row at all: these are passed over. */
	size_t gone = 0;
	for (size_t i = 0; i < rows.capacity;) {
		struct reef_row *row = rows.slots[i].value;
		if (row && reef_ptrmap_get(&seen, &row->table)) {
			reef_ptrmap_remove(&rows, rows.slots[i].key);
			reef_retired_add_row(row, note);
			gone++;
		} else {
			i++;
		}
	}
	if (gone == 0)
		reef_free(note);
	reef_trail_fini(&trail);
	reef_ptrmap_fini(&seen);
}

/* ---- sections ---- */

bool reef_replayed_apply(lua_State *L, const char *bytes, size_t size) {
	struct reef_picture_reader from = {bytes, bytes + size};
	vm = G(L)->mainthread;
	luaL_checkstack(L, LUA_MINSTACK, NULL);
	if (!reef_removed_prepare(L))
		luaM_error(L);
	while (from.at < from.end) {
		char what = *from.at++;
		uint64_t address = 0;
		const char *text;
		size_t n;
		if (what != REEF_JOURNAL_ROWS && !reef_picture_get_number(&from, &address))
			return false;
		if (!reef_picture_get_bytes(&from, &text, &n))
			return false;
		if (what == REEF_JOURNAL_ROWS) {
			if (!apply_rows(L, text, n))
				return false;
			continue;
		}
		const char *name = lua_pushlstring(L, text, n);
		if (what == REEF_JOURNAL_REMOVED)
			apply_removal(address, name);
		else
			apply_deletion(address, name);
		lua_pop(L, 1);
	}
	return true;
}

void reef_replayed_sheet(const char *name, struct reef_row *root) {
	struct reef_sheet *sheet = reef_sheets_find(name) ? NULL : reef_sheets_new(name);
	if (sheet == NULL)
		return;
	sheet->root = root;
	sheet->version = 1;
	reef_sheets_insert(sheet);
}

static void play(unsigned event, const struct reef_seam_about *about) {
	struct reef_seam *seam = reef_seam_mine();
	(void)event;
	if ((vm == NULL || !reef_replayed_apply(vm, about->bytes, about->size)) && seam)
		seam->cannot(seam, "what this record has of datasheets");
}

void reef_replayed_setup(void) {
	reef_ptrmap_init(&rows);
	reef_seam_set_player(REEF_SEAM_EVENT_SHEETS, play);
}
