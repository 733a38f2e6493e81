/* See each.h. */
#include "ov.h" /* before what includes lua.h, which shows less to those who are not of Lua's core */

#include "each.h"

bool reef_each_begin(struct reef_each *e, const void *table) {
	const Table *t = table;
	*e = (struct reef_each){t, t->node, 0, sizenode(t)};
	return luaH_realasize(t) == 0;
}

static void set_value(struct reef_each_pair *pair, const TValue *value) {
	pair->type = ttype(value);
	switch (ttypetag(value)) {
	case LUA_VNUMINT:
		pair->is_integer = true;
		pair->value.integer = ivalue(value);
		break;
	case LUA_VNUMFLT:
		pair->is_integer = false;
		pair->value.number = fltvalue(value);
		break;
	case LUA_VTRUE:
	case LUA_VFALSE:
		pair->value.boolean = ttistrue(value);
		break;
	case LUA_VSHRSTR:
	case LUA_VLNGSTR:
		pair->value.string.bytes = getstr(tsvalue(value));
		pair->value.string.size = tsslen(tsvalue(value));
		break;
	default:
		break;
	}
}

enum reef_each_found reef_each_next(struct reef_each *e, struct reef_each_pair *pair) {
	while (e->at < e->end) {
		const Node *n = (const Node *)e->nodes + e->at++;
		if (isempty(gval(n)))
			continue;
		if (novariant(keytt(n)) != LUA_TSTRING)
			return REEF_EACH_OTHER_KEY;
		pair->key = getstr(keystrval(n));
		pair->key_size = tsslen(keystrval(n));
		set_value(pair, gval(n));
		return REEF_EACH_PAIR;
	}
	return REEF_EACH_END;
}

bool reef_each_begin_list(struct reef_each *e, const void *table) {
	Table *t = (Table *)table;
	*e = (struct reef_each){t, t->node, 0, 0};
	/* No nodes, of its own or lent, look like a single empty one. */
	if (t->metatable || sizenode(t) != 1 || !isempty(gval(gnode(t, 0))))
		return false;
	e->end = (int)luaH_getn(t);
	return true;
}

bool reef_each_value(struct reef_each *e, struct reef_each_pair *pair) {
	const Table *t = e->table;
	if (e->at >= e->end)
		return false;
	set_value(pair, &t->array[e->at++]);
	return true;
}

void reef_each_push(lua_State *L, const struct reef_each *e) {
	const Node *n = (const Node *)e->nodes + (e->at - 1);
	getnodekey(L, s2v(REEF_TOP(L)), n);
	setobj2s(L, REEF_TOP(L) + 1, gval(n));
	REEF_TOP(L) += 2;
}

bool reef_each_is_same(const struct reef_each *e) {
	const Table *t = e->table;
	return t->node == e->nodes && sizenode(t) == e->end && luaH_realasize(t) == 0;
}
