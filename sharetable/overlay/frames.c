/* See frames.h. */
#include "ov.h"

#include "frames.h"

size_t reef_frames(lua_State *L, CallInfo **frames, size_t most, size_t *skipped) {
	size_t n = 0, outer = 0, half = most / 2;
	CallInfo *ci = L->ci;
	for (; ci != &L->base_ci && n < most; ci = ci->previous)
		frames[n++] = ci;
	*skipped = 0;
	if (ci == &L->base_ci)
		return n;
	for (; ci != &L->base_ci; ci = ci->previous)
		++*skipped;
	/* The outer half comes from the other end. */
	for (ci = L->base_ci.next; outer < half; ci = ci->next)
		frames[most - ++outer] = ci;
	*skipped += half;
	return most;
}

lua_CFunction reef_frame_function(const CallInfo *frame) {
	if (isLua(frame))
		return NULL;
	const TValue *function = s2v(REEF_CI_FUNC(frame));
	return ttislcf(function) ? fvalue(function) : ttisCclosure(function) ? clCvalue(function)->f : NULL;
}

/* A function that has just been called from there is named by the instruction before the next one. */
const char *reef_frame_last_call(lua_State *L, CallInfo *frame) {
	if (!isLua(frame))
		return NULL;
	const Instruction *next = frame->u.l.savedpc;
	if (next - ci_func(frame)->p->code < 2)
		return NULL;
	CallInfo callee = {.previous = frame, .callstatus = CIST_C};
	REEF_CI_FUNC(&callee) = REEF_CI_FUNC(frame);
	lua_Debug ar = {.i_ci = &callee};
	frame->u.l.savedpc = next - 1;
	int found = lua_getinfo(L, "n", &ar);
	frame->u.l.savedpc = next;
	return found ? ar.name : NULL;
}

void *reef_frame_self(const lua_State *L, size_t size) {
	StkId self = REEF_CI_FUNC(L->ci) + 1;
	if (self >= REEF_TOP(L) || !ttistable(s2v(self)))
		return NULL;
	const TValue *first = luaH_getint(hvalue(s2v(self)), 1);
	return ttisfulluserdata(first) && uvalue(first)->len == size ? getudatamem(uvalue(first)) : NULL;
}

void *reef_frame_own(const lua_State *L) {
	const CClosure *running = clCvalue(s2v(REEF_CI_FUNC(L->ci)));
	lua_assert(running->nupvalues > 0 && ttisfulluserdata(&running->upvalue[0]));
	return getudatamem(uvalue(&running->upvalue[0]));
}

bool reef_frames_same_vm(const lua_State *a, const lua_State *b) {
	return G(a) == G(b);
}
