/* See refuse.h. */
#include "ov.h"

#include "owner.h"
#include "path.h"

l_noret reef_refuse(lua_State *L, Table *t, const TValue *key) {
	char path[512];
	reef_owner_of(t)->path(reef_owner_of(t), t, path, sizeof(path));
	if (key == NULL)
		luaG_runerror(L, "can't setmetatable to shared table: %s is read-only", path);
	reef_path_append(path, sizeof(path), key);
	luaG_runerror(L, "attempt to change a shared table: %s is read-only", path);
}

l_noret reef_refuse_slot(lua_State *L, Table *t, const TValue *slot) {
	TValue key;
	if (slot >= t->array && slot < t->array + luaH_realasize(t)) {
		setivalue(&key, slot - t->array + 1);
	} else {
		getnodekey(L, &key, cast(const Node *, slot));
	}
	reef_refuse(L, t, &key);
}
