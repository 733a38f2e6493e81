/* Snapshots: their life, and how they come into a VM. */
#include "snapshot.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "freeze_code.h"
#include "freeze_table.h"
#include "walk.h"

/* Finds the way to `t` by a search over the whole tree: only messages need it. */
static void path_of(struct reef_owner *owner, const struct Table *t, char *out, size_t size) {
	struct reef_snapshot *snapshot = (struct reef_snapshot *)(void *)owner;
	snprintf(out, size, "%.100s", snapshot->name);
	reef_trail_find(snapshot->table, t, snapshot->name, out, size);
}

static struct reef_snapshot *new_snapshot(const char *name) {
	struct reef_snapshot *snapshot = reef_try_malloc(sizeof(*snapshot) + strlen(name) + 1);
	if (snapshot == NULL)
		return NULL;
	*snapshot = (struct reef_snapshot){.owner = {path_of}};
	reef_arena_init(&snapshot->arena);
	strcpy(snapshot->name, name);
	return snapshot;
}

/* One of `table` and `code` is NULL. */
static struct reef_snapshot *freeze_one(lua_State *L, Table *table, const Proto *code, const char *name, char *why,
										size_t size) {
	struct reef_freeze freeze = {.L = L, .why = why, .why_size = size};
	struct reef_snapshot *snapshot = new_snapshot(name);
	if (snapshot == NULL) {
		reef_freeze_no_memory(&freeze);
		return NULL;
	}
	freeze.owner = &snapshot->owner;
	freeze.arena = &snapshot->arena;
	/* Not in tables: their versions go when nobody refers to them, and what a function of theirs made is not found there. */
	freeze.ready_functions = table == NULL;
	freeze.passing = table != NULL;
	bool ok;
	if (table != NULL)
		ok = reef_freeze_table(&freeze, table, &snapshot->table, REEF_TRAIL_ROOT, NULL);
	else
		ok = (snapshot->code = reef_freeze_code(&freeze, code)) != NULL;
	ok = ok && reef_freeze_table_run(&freeze);
	reef_ptrmap_fini(&freeze.copies);
	reef_trail_fini(&freeze.tables);
	reef_array_fini(&freeze.codes);
	if (ok && !reef_arena_seal(&snapshot->arena))
		ok = reef_freeze_no_memory(&freeze);
	if (!ok) {
		reef_snapshot_delete(snapshot);
		return NULL;
	}
	return snapshot;
}

struct reef_snapshot *reef_snapshot_table(lua_State *L, int index, const char *name, char *why, size_t size) {
	return freeze_one(L, (Table *)lua_topointer(L, index), NULL, name, why, size);
}

struct reef_snapshot *reef_snapshot_code(lua_State *L, int index, const char *name, char *why, size_t size) {
	return freeze_one(L, NULL, ((const LClosure *)lua_topointer(L, index))->p, name, why, size);
}

void reef_snapshot_push(lua_State *L, const struct reef_snapshot *snapshot) {
	if (snapshot->table != NULL) {
		sethvalue2s(L, REEF_TOP(L), snapshot->table);
		REEF_TOP(L)++;
		return;
	}
	Proto *code = snapshot->code;
	LClosure *f = luaF_newLclosure(L, code->sizeupvalues);
	setclLvalue2s(L, REEF_TOP(L), f);
	f->p = code;
	REEF_TOP(L)++;
	luaF_initupvals(L, f);
	if (code->sizeupvalues > 0) {
		lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_GLOBALS);
		lua_setupvalue(L, -2, 1);
	}
	luaC_checkGC(L);
}

const char *reef_snapshot_name(const struct reef_snapshot *snapshot) {
	return snapshot->name;
}

size_t reef_snapshot_size(const struct reef_snapshot *snapshot) {
	return snapshot->arena.size;
}

void reef_snapshot_walk(const struct reef_snapshot *snapshot, struct reef_walk *walk) {
	*walk = (struct reef_walk){
			.owner = &snapshot->owner,
			.lo = snapshot->arena.lo,
			.hi = snapshot->arena.hi,
	};
}

void reef_snapshot_delete(struct reef_snapshot *snapshot) {
	reef_arena_delete(&snapshot->arena);
	reef_free(snapshot);
}
