/* See blame.h. */
#include "ov.h"

#include "blame.h"

static bool nothing(const char *source) {
	(void)source;
	return false;
}

bool (*reef_blame_is_own)(const char *source) = nothing;

static bool is_own(const CallInfo *ci) {
	const TString *source = ci_func(ci)->p->source;
	return source != NULL && reef_blame_is_own(getstr(source));
}

static bool is_called_without_object(const CallInfo *ci) {
	const Proto *p = ci_func(ci)->p;
	const char *first = p->numparams > 0 ? luaF_getlocalname(p, 1, 0) : NULL;
	const TValue *self = s2v(REEF_CI_FUNC(ci) + 1);
	return first != NULL && strcmp(first, "self") == 0 && !ttistable(self) && !ttisfulluserdata(self);
}

bool reef_blame(lua_State *L, struct reef_blame *blame) {
	CallInfo *ci = L->ci, *called = NULL;
	if (!isLua(ci) && ci != &L->base_ci)
		ci = ci->previous;
	if (!isLua(ci))
		return false;
	for (; !isLua(ci) || is_own(ci); ci = ci->previous) {
		/* A finalizer or a hook was called by nobody. */
		if (ci == &L->base_ci || (ci->callstatus & (CIST_FIN | CIST_HOOKED)))
			return false;
		if (isLua(ci))
			called = ci;
	}
	if (called == NULL || (ci->callstatus & (CIST_FIN | CIST_HOOKED)))
		return false;
	const Proto *p = ci_func(ci)->p;
	if (p->source == NULL || p->lineinfo == NULL)
		return false;
	luaO_chunkid(blame->file, getstr(p->source), tsslen(p->source));
	blame->line = luaG_getfuncline(p, pcRel(ci->u.l.savedpc, p));
	blame->no_object = is_called_without_object(called);
	lua_Debug ar = {.i_ci = called};
	lua_getinfo(L, "n", &ar);
	blame->name = ar.name;
	return true;
}

const char *reef_blame_push(lua_State *L, const struct reef_blame *blame, const char *message) {
	const char *file = blame->file;
	if (!blame->no_object)
		return lua_pushfstring(L, "%s:%d: %s", file, blame->line, message);
	return lua_pushfstring(L, "%s:%d: the object is missing, a method is called as object:%s(...): %s", file,
						   blame->line, blame->name ? blame->name : "method", message);
}
