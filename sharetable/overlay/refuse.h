/* What the hooks call when something is about to write to a shared table: an error that names the place. After Lua's
 * internal headers, which ov.h includes; the VM's thread only. */
#ifndef REEF_SHARETABLE_REFUSE_H
#define REEF_SHARETABLE_REFUSE_H

/* Raises: `key` (may be NULL: the metatable) of shared table `t` was about to be written. */
LUAI_FUNC l_noret reef_refuse(lua_State *L, Table *t, const TValue *key);
/* The same for the key that belongs to a value's place. */
LUAI_FUNC l_noret reef_refuse_slot(lua_State *L, Table *t, const TValue *slot);

#endif
