/* The overlay of Lua: what is changed in stock Lua 5.4 so that many VMs may read the same objects.
 *
 * No Lua source is patched. This header is included before a stock core file (or by its wrapper ov_<file>.c); it pulls
 * in Lua's internal headers and then redefines a few of their macros. The idea: a shared object looks black and old to
 * every collector, for ever, and is on no VM's list; so nobody marks, ages, sweeps or frees it, and the structs stay as
 * they are. What remains to be hooked is equality of strings (two objects may now hold the same short string) and
 * everything that writes to a table.
 *
 *   luai_makeseed          one seed a process: equal strings hash alike in all VMs
 *   eqshrstr               short strings are equal by hash and bytes, not by address alone
 *   luaV_finishfastset     refuse to overwrite a field of a shared table, or make lent parts the table's own before (lent.h)
 *   luaC_barrierback, luaC_barrier, lua_setmetatable and lua_pushcclosure (ov_lapi.c), pushclosure (ov_lvm.c), luaF_unlinkupval
 *                          (ov_lfunc.c), luai_userstatethread   note who refers to shared objects that may go (referrers.h)
 *   luaS_clearcache, luaC_freeallobjects (ov_lgc.c)   these go with the VM's other objects
 *   luaH_set, luaH_setint, luaH_finishset (ov_ltable.c), lua_setmetatable (ov_lapi.c)   the same for the rest
 *   luaH_free              (ov_ltable.c) leaves lent parts where they are
 *   luaH_next              (ov_ltable.c) a traversal goes on from the key's content
 *   pushclosure            (ov_lvm.c) functions without upvalues are as shared as their code
 *   internshrstr           (ov_lstring.c) new strings that are pooled identifiers are taken from the pool
 *
 * The wrappers call each other in a circle because Lua's own files do. Four files of ours are on it: refuse.c and
 * interrupt.c are called where something is wrong, and raise errors of Lua, for which blame.c finds the place; lent.c asks
 * for memory.
 */
#ifndef REEF_OV_H
#define REEF_OV_H

#ifndef LUA_CORE
#define LUA_CORE
#endif
#include <lprefix.h>

#include <lua.h>

#include <lapi.h>
#include <ldebug.h>
#include <ldo.h>
#include <lfunc.h>
#include <lgc.h>
#include <lmem.h>
#include <lobject.h>
#include <lstate.h>
#include <lstring.h>
#include <ltable.h>
#include <ltm.h>
#include <lvm.h>
#include <string.h>

#include "refuse.h"
#include "seed.h"

#if LUA_VERSION_NUM != 504 || LUA_VERSION_RELEASE_NUM < 50404 || LUA_VERSION_RELEASE_NUM > 50408
#error "the overlay knows the internals of Lua 5.4.4 to 5.4.8 only"
#endif

/* From 5.4.5 on, pointers into the stack are unions. */
#if LUA_VERSION_RELEASE_NUM >= 50405
#define REEF_TOP(L) ((L)->top.p)
#define REEF_STACK(L) ((L)->stack.p)
#define REEF_STACK_LAST(L) ((L)->stack_last.p)
#define REEF_CI_TOP(ci) ((ci)->top.p)
#define REEF_CI_FUNC(ci) ((ci)->func.p)
#define REEF_UPVALUE(uv) ((uv)->v.p)
#else
#define REEF_TOP(L) ((L)->top)
#define REEF_STACK(L) ((L)->stack)
#define REEF_STACK_LAST(L) ((L)->stack_last)
#define REEF_CI_TOP(ci) ((ci)->top)
#define REEF_CI_FUNC(ci) ((ci)->func)
#define REEF_UPVALUE(uv) ((uv)->v)
#endif

/* Bit 7 is free in stock Lua (its own test suite's instrumented build uses it). */
#define REEF_SHARED_BIT 0x80
#define REEF_SHARED_MARK cast_byte(REEF_SHARED_BIT | bitmask(BLACKBIT) | G_OLD)
#define reef_is_shared(o) ((o)->marked & REEF_SHARED_BIT)

/* A shared object that may go while VMs live: those who refer to it will be walked for. It has the bit of objects with a
 * finalizer, too, which no shared one is. */
#define REEF_PASSING_BITS (REEF_SHARED_BIT | bitmask(FINALIZEDBIT))
#define REEF_PASSING_MARK cast_byte(REEF_SHARED_MARK | bitmask(FINALIZEDBIT))
#define reef_is_passing(o) (((o)->marked & REEF_PASSING_BITS) == REEF_PASSING_BITS)

/* A table whose parts are lent (lent.h) has the bit, too, though it is on its VM's list and has the colours and ages of any
 * other: so whatever would write to it comes to the hooks. Below its nodes lies what `lastfree` leads to; of no other
 * table it does. */
#define reef_is_lent(t)                                                                                                \
	(reef_is_shared(t) && (t)->lastfree != NULL && (const char *)(t)->lastfree < (const char *)(t)->node)
/* The place of a value that is about to be written to a table with the bit: its own parts' from now on. Raises. */
LUAI_FUNC const TValue *reef_own_slot(lua_State *L, Table *t, const TValue *slot);
/* The same, and writes it. */
LUAI_FUNC void reef_set_lent(lua_State *L, Table *t, const TValue *slot, const TValue *value) __attribute__((cold));

/* A table that has once referred to one, by a key, a value or its metatable, says so in a bit of its flags that stock Lua
 * leaves alone (metamethods have those below it, `isrealasize` the one above). */
#define REEF_HELD_BIT 0x40
#define reef_has_held(t) ((t)->flags & REEF_HELD_BIT)

/* Notes that an object refers to one, or may (referrers.h). */
LUAI_FUNC void reef_refers(lua_State *L, GCObject *o) __attribute__((cold));
/* Where a VM has its struct reef_referrers; NULL: it does not keep them. The bits of a nil that is never looked into. */
#define REEF_REFERRERS(g) ((g)->nilvalue.value_.p)

/* Do the keys of two entries of a hash part hash to the same place? (ov_ltable.c) */
LUAI_FUNC int reef_same_chain(const Table *t, const Node *a, const Node *b);

/* Whatever puts a value or a key into a table, or a value into a userdata, calls this one for the collector's sake. */
static inline void reef_barrierback(lua_State *L, GCObject *p, const GCObject *v) {
	if (isblack(p) && iswhite(v))
		luaC_barrierback_(L, p);
	else if (luai_unlikely(reef_is_passing(v)) && !(p->tt == LUA_VTABLE && reef_has_held(gco2t(p))))
		reef_refers(L, p);
}

#undef luaC_barrierback
#define luaC_barrierback(L, p, v) (iscollectable(v) ? reef_barrierback(L, p, gcvalue(v)) : cast_void(0))

/* And this one whatever puts a value into something else that lives. */
static inline void reef_barrier(lua_State *L, GCObject *p, GCObject *v) {
	if (isblack(p) && iswhite(v))
		luaC_barrier_(L, p, v);
	else if (luai_unlikely(reef_is_passing(v)))
		reef_refers(L, p);
}

#undef luaC_barrier
#define luaC_barrier(L, p, v) (iscollectable(v) ? reef_barrier(L, obj2gco(p), gcvalue(v)) : cast_void(0))

#undef luai_userstatethread
#define luai_userstatethread(L, L1) reef_refers(L, obj2gco(L1))

/* The function that shared code without upvalues has ready for all VMs, or NULL. It is kept where collectors would link a
 * prototype into their lists, which they never do with a shared one. */
#define reef_closure_of(p) ((p)->gclist == NULL ? NULL : gco2lcl((p)->gclist))

/* Are two short strings with the same hash the same? Calls nothing: a call would make luaH_getshortstr, the hottest
 * function of all, save registers that it need not touch. */
static inline int reef_same_bytes(const TString *a, const TString *b) {
	size_t l = a->shrlen;
	const char *s = getstr(a), *t = getstr(b);
	if (l != b->shrlen)
		return 0;
	for (; l >= 8; l -= 8, s += 8, t += 8) {
		unsigned long long x, y;
		memcpy(&x, s, 8);
		memcpy(&y, t, 8);
		if (x != y)
			return 0;
	}
	for (; l > 0; l--, s++, t++) {
		if (*s != *t)
			return 0;
	}
	return 1;
}

#undef eqshrstr
#define eqshrstr(a, b) ((a) == (b) || (l_unlikely((a)->hash == (b)->hash) && reef_same_bytes(a, b)))

#ifndef luai_makeseed
#define luai_makeseed(L) reef_seed()
#endif

/* The VM's loop does not save its program counter before a fast assignment, since none can fail in stock Lua; without
 * it the error would name a wrong line. `pc` and `ci` are locals of luaV_execute; everywhere else they are these. */
#ifdef REEF_OV_LVM
static const Instruction *const pc __attribute__((unused)) = NULL;
static CallInfo *const ci __attribute__((unused)) = NULL;
#define reef_save_position(L)                                                                                          \
	{                                                                                                                  \
		if (pc != NULL) {                                                                                              \
			ci->u.l.savedpc = pc;                                                                                      \
			REEF_TOP(L) = REEF_CI_TOP(ci);                                                                             \
		}                                                                                                              \
	}
#else
#define reef_save_position(L)                                                                                          \
	{}
#endif
#undef luaV_finishfastset
#define luaV_finishfastset(L, t, slot, v)                                                                              \
	{                                                                                                                  \
		if (l_unlikely(reef_is_shared(hvalue(t)))) {                                                                   \
			reef_save_position(L) reef_set_lent(L, hvalue(t), slot, v);                                                \
		} else {                                                                                                       \
			setobj2t(L, cast(TValue *, slot), v);                                                                      \
			luaC_barrierback(L, gcvalue(t), v);                                                                        \
		}                                                                                                              \
	}

#endif
