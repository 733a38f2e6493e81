/* Freezing tables: a deep copy that the collectors and the code of stock Lua can do nothing to.
 *
 * Reading must never write, so whatever stock Lua computes when it first needs it is computed here: see layout.h.
 *
 * A table and its array and nodes are one block: rows that are read together lie together. Nothing is allocated in the
 * VM, so nothing here can raise, and its collector stands still.
 */
#include "freeze_table.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "freeze_code.h"
#include "layout.h"

static bool refuse_value(struct reef_freeze *freeze, const char *what, uint32_t step, const TValue *key) {
	char path[256];
	const struct reef_snapshot *snapshot = (const struct reef_snapshot *)(const void *)freeze->owner;
	snprintf(path, sizeof(path), "%.100s", snapshot->name);
	reef_trail_path(&freeze->tables, step, key, path, sizeof(path));
	snprintf(freeze->why, freeze->why_size, "cannot share %s at '%s'", what, path);
	return false;
}

bool reef_freeze_table(struct reef_freeze *freeze, Table *source, Table **result, uint32_t parent, const TValue *key) {
	Table *copy = reef_ptrmap_get(&freeze->copies, source);
	if (copy == NULL) {
		struct reef_layout layout = reef_layout_of(source);
		copy = reef_freeze_alloc(freeze, sizeof(Table) + reef_layout_size(&layout));
		if (copy == NULL)
			return false;
		reef_layout_apply(&layout, copy, copy + 1);
		if (!reef_ptrmap_put(&freeze->copies, source, copy) ||
			!reef_trail_add(&freeze->tables, source, copy, parent, key))
			return reef_freeze_no_memory(freeze);
	}
	*result = copy;
	return true;
}

static bool copy_closure(struct reef_freeze *freeze, const LClosure *source, LClosure **result) {
	LClosure *copy = reef_ptrmap_get(&freeze->copies, source);
	if (copy == NULL) {
		copy = reef_freeze_alloc(freeze, (size_t)sizeLclosure(0));
		if (copy == NULL)
			return false;
		reef_freeze_mark(freeze, obj2gco(copy), LUA_VLCL);
		copy->p = reef_freeze_code(freeze, source->p);
		if (copy->p == NULL)
			return false;
		if (!reef_ptrmap_put(&freeze->copies, source, copy))
			return reef_freeze_no_memory(freeze);
	}
	*result = copy;
	return true;
}

/* `step` and `key` tell where the value was found. */
static bool freeze_table_copy_value(struct reef_freeze *freeze, TValue *to, const TValue *from, uint32_t step,
									const TValue *key) {
	switch (ttypetag(from)) {
	case LUA_VSHRSTR:
	case LUA_VLNGSTR: {
		TString *s = reef_freeze_string(freeze, tsvalue(from), false);
		if (s == NULL)
			return false;
		setsvalue(freeze->L, to, s);
		return true;
	}
	case LUA_VTABLE: {
		Table *t;
		if (!reef_freeze_table(freeze, hvalue(from), &t, step, key))
			return false;
		sethvalue(freeze->L, to, t);
		return true;
	}
	case LUA_VLCL: {
		LClosure *f;
		if (clLvalue(from)->nupvalues > 0)
			return refuse_value(freeze, "a Lua function with upvalues", step, key);
		if (!copy_closure(freeze, clLvalue(from), &f))
			return false;
		setclLvalue(freeze->L, to, f);
		return true;
	}
	case LUA_VCCL:
		return refuse_value(freeze, "a C function with upvalues", step, key);
	case LUA_VUSERDATA:
		return refuse_value(freeze, "a userdata", step, key);
	case LUA_VTHREAD:
		return refuse_value(freeze, "a coroutine", step, key);
	default:
		setobj(freeze->L, to, from);
		return true;
	}
}

static bool copy_metatable(struct reef_freeze *freeze, uint32_t step, Table *copy) {
	Table *meta = freeze->tables.steps.items[step].table->metatable;
	if (meta == NULL)
		return true;
	TString **names = G(freeze->L)->tmname;
	if (!isempty(luaH_getshortstr(meta, names[TM_MODE])))
		return refuse_value(freeze, "a weak table", step, NULL);
	if (!isempty(luaH_getshortstr(meta, names[TM_GC])))
		return refuse_value(freeze, "a table with a finalizer", step, NULL);
	return reef_freeze_table(freeze, meta, &copy->metatable, step, NULL);
}

static bool is_metamethod_name(const TValue *key) {
	return ttisshrstring(key) && strncmp(getstr(tsvalue(key)), "__", 2) == 0;
}

/* Adds an entry to the hash part, which has room for it: at this index, if not -1. */
static bool copy_entry(struct reef_freeze *freeze, uint32_t step, Table *copy, int at, const TValue *key,
					   const TValue *value) {
	TValue k, v;
	if (reef_layout_is_record(copy) && ttisshrstring(key)) {
		TString *s = reef_freeze_string(freeze, tsvalue(key), true);
		if (s == NULL)
			return false;
		setsvalue(freeze->L, &k, s);
	} else if (!freeze_table_copy_value(freeze, &k, key, step, key)) {
		return false;
	}
	if (!freeze_table_copy_value(freeze, &v, value, step, key))
		return false;
	reef_layout_put(freeze->L, copy, at, &k, &v);
	return true;
}

static bool fill_table(struct reef_freeze *freeze, uint32_t step) {
	Table *source = freeze->tables.steps.items[step].table, *copy = freeze->tables.steps.items[step].data;
	unsigned int size = luaH_realasize(source), dense = copy->alimit;
	bool follows = reef_layout_follow(source, copy), metamethods = false;
	TValue key;
	for (unsigned int i = 0; i < dense; i++) {
		const TValue *value = i < size ? &source->array[i] : luaH_getint(source, (lua_Integer)i + 1);
		setivalue(&key, (lua_Integer)i + 1);
		if (!freeze_table_copy_value(freeze, &copy->array[i], value, step, &key))
			return false;
	}
	for (unsigned int i = dense; i < size; i++) {
		setivalue(&key, (lua_Integer)i + 1);
		if (!isempty(&source->array[i]) && !copy_entry(freeze, step, copy, -1, &key, &source->array[i]))
			return false;
	}
	for (int i = 0; i < sizenode(source); i++) {
		const Node *n = gnode(source, i);
		if (isempty(gval(n)) || reef_layout_in_array(n, dense))
			continue;
		getnodekey(freeze->L, &key, n);
		metamethods |= is_metamethod_name(&key);
		if (!copy_entry(freeze, step, copy, follows ? i : -1, &key, gval(n)))
			return false;
	}
	reef_layout_set_flags(freeze->L, copy, metamethods);
	reef_freeze_mark(freeze, obj2gco(copy), LUA_VTABLE);
	return copy_metatable(freeze, step, copy);
}

bool reef_freeze_table_run(struct reef_freeze *freeze) {
	for (uint32_t i = 0; i < freeze->tables.steps.count; i++) {
		if (!fill_table(freeze, i))
			return false;
	}
	return reef_freeze_code_run(freeze);
}
