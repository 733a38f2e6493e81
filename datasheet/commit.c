/* Committing: the moment in which all rows of a plan are switched, and what follows from it; and asking for sheets. */
#include <pthread.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "plan_private.h"

#include "core/alloc.h"
#include "core/world.h"
#include "retired.h"
#include "sharetable/overlay/path.h"

struct reef_sheet *reef_sheets;
/* Guards the list against services that ask while the world is running; sheets are added while it stands still. */
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;

/* ---- rows that were removed ---- */

static int removed_row(lua_State *L) {
	char path[256] = "?";
	reef_retired_path(lua_topointer(L, 1), path, sizeof(path));
	return luaL_error(L, "datasheet: %s was removed by an update", path);
}

/* The metatable of rows that were removed: whoever still holds one is told. Made by the first publisher, never freed. */
static Table *removed_metatable;

static TString *shared_name(lua_State *L, const char *text) {
	union {
		TString string;
		char room[sizeof(TString) + 16];
	} name;
	size_t l = strlen(text);
	memset(&name, 0, sizeof(name));
	name.string.tt = LUA_VSHRSTR;
	name.string.shrlen = cast_byte(l);
	name.string.hash = luaS_hash(text, l, G(L)->seed);
	memcpy(name.string.contents, text, l + 1);
	return reef_row_string(&name.string, true);
}

static bool fill_removed_metatable(lua_State *L, Table *t) {
	static const char *const names[] = {"__index", "__len", "__pairs", "__name"};
	for (int i = 0; i < 4; i++) {
		TValue key, value;
		TString *name = shared_name(L, names[i]);
		if (name == NULL)
			return false;
		setsvalue(L, &key, name);
		setfvalue(&value, removed_row);
		if (i == 3)
			setsvalue(L, &value, name);
		luaH_set(L, t, &key, &value);
	}
	reef_layout_set_flags(L, t, true);
	return true;
}

bool reef_plan_make_removed_metatable(lua_State *L) {
	static const struct reef_layout layout = {0, 4, 2};
	if (removed_metatable != NULL)
		return true;
	struct reef_row *row = reef_row_new(&layout);
	if (row == NULL)
		return false;
	reef_content_new(row, &layout, &row->table); /* there is room */
	if (!fill_removed_metatable(L, &row->table)) {
		reef_row_retire(row, NULL);
		reef_row_free(row);
		return false;
	}
	reef_row_share(row);
	removed_metatable = &row->table;
	return true;
}

/* ---- the moment ---- */

/* Exchanges the contents of two headers, that is all but what makes them objects. */
static void exchange(Table *a, Table *b) {
	Table old = *a;
	a->flags = b->flags;
	a->lsizenode = b->lsizenode;
	a->alimit = b->alimit;
	a->array = b->array;
	a->node = b->node;
	a->lastfree = b->lastfree;
	b->flags = old.flags;
	b->lsizenode = old.lsizenode;
	b->alimit = old.alimit;
	b->array = old.array;
	b->node = old.node;
	b->lastfree = old.lastfree;
}

static void commit_sheet(const struct reef_part *part) {
	struct reef_sheet *sheet = part->sheet, **link = &reef_sheets;
	if (part->deleted) {
		while (*link != sheet)
			link = &(*link)->next;
		*link = sheet->next;
	} else if (sheet->version++ == 0) {
		sheet->next = reef_sheets;
		reef_sheets = sheet;
	}
}

static void switch_all(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->switch_count; i++) {
		struct reef_switch *change = &plan->switches[i];
		exchange(&change->row->table, &change->content);
	}
	for (size_t i = 0; i < plan->removal_count; i++) {
		struct reef_removal *removal = &plan->removals[i];
		exchange(&removal->row->table, &removal->content);
		removal->row->table.metatable = removed_metatable;
	}
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < plan->part_count; i++)
		commit_sheet(&plan->parts[i]);
	pthread_mutex_unlock(&lock);
}

static void unref(const TValue *v) {
	if (ttisstring(v) && reef_row_string_unref(tsvalue(v)))
		reef_retired_add_string(tsvalue(v));
}

void reef_plan_unref_strings(const Table *content) {
	struct reef_entries entries = reef_content_entries(content);
	const TValue *value;
	TValue key;
	while ((value = reef_entries_next(&entries, &key)) != NULL) {
		unref(&key);
		unref(value);
	}
}

static void retire_removed(struct reef_removal *removal) {
	reef_plan_unref_strings(&removal->content);
	reef_content_free(removal->row, &removal->content);
	reef_retired_add_row(removal->row, removal->note);
}

static void retire_sheet(const struct reef_part *part) {
	for (uint32_t i = 0; i < part->found.count; i++)
		reef_retired_add_row(reef_row_of(part->found.steps[i].table), part->note);
	reef_free(part->sheet);
}

static void retire(struct reef_plan *plan) {
	for (size_t i = 0; i < plan->references.capacity; i++) {
		struct reef_row *row = (struct reef_row *)(void *)plan->references.slots[i].key;
		if (row != NULL)
			row->refs = (uint32_t)((intptr_t)row->refs + reef_plan_count(plan, row)) & 0x7fffffffu;
	}
	for (size_t i = 0; i < plan->switch_count; i++) {
		struct reef_switch *change = &plan->switches[i];
		change->row->entries = (uint16_t)(change->entries < REEF_MANY ? change->entries : REEF_MANY);
		reef_plan_unref_strings(&change->content);
	}
	for (size_t i = 0; i < plan->removal_count; i++)
		retire_removed(&plan->removals[i]);
	for (size_t i = 0; i < plan->part_count; i++) {
		if (plan->parts[i].deleted)
			retire_sheet(&plan->parts[i]);
	}
}

bool reef_plan_commit(struct reef_plan *plan, uint64_t patience_ns, uint32_t *in_the_way) {
	for (size_t i = 0; i < plan->fresh_count; i++)
		reef_row_share(plan->fresh[i]);
	for (size_t i = 0; i < plan->removal_count; i++) {
		struct reef_layout nothing = {0, 0, 0};
		reef_layout_apply(&nothing, &plan->removals[i].content, NULL);
		reef_layout_set_flags(plan->L, &plan->removals[i].content, false);
	}
	if (!reef_world_stop(patience_ns, in_the_way))
		return false;
	switch_all(plan);
	reef_world_resume();
	plan->committed = true;
	retire(plan);
	reef_retired_collect(false);
	return true;
}

/* ---- for readers ---- */

static struct reef_sheet *find(const char *name) {
	struct reef_sheet *sheet = reef_sheets;
	while (sheet != NULL && strcmp(sheet->name, name) != 0)
		sheet = sheet->next;
	return sheet;
}

bool reef_sheets_exists(const char *name) {
	pthread_mutex_lock(&lock);
	bool exists = find(name) != NULL;
	pthread_mutex_unlock(&lock);
	return exists;
}

bool reef_sheets_query(lua_State *L, const char *name) {
	pthread_mutex_lock(&lock);
	struct reef_sheet *sheet = find(name);
	pthread_mutex_unlock(&lock);
	if (sheet == NULL)
		return false;
	reef_retired_add_reader(L);
	sethvalue2s(L, REEF_TOP(L), &sheet->root->table);
	REEF_TOP(L)++;
	return true;
}

/* A search over everything: only messages need it. The world stands still for nobody who is in a slice. */
static void path_of(struct reef_owner *owner, const struct Table *t, char *out, size_t size) {
	(void)owner;
	snprintf(out, size, "a row of a datasheet");
	if (reef_retired_path(t, out, size))
		return;
	pthread_mutex_lock(&lock);
	struct reef_sheet *sheets = reef_sheets;
	pthread_mutex_unlock(&lock);
	for (struct reef_sheet *sheet = sheets; sheet != NULL; sheet = sheet->next) {
		if (reef_trail_find(&sheet->root->table, t, sheet->name, out, size))
			return;
	}
}

struct reef_owner reef_row_owner = {path_of};
