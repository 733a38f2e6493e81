/* Freezing code: function prototypes with all they refer to. Nothing in stock Lua writes to a prototype but the collector,
 * which stops at shared objects; so a copy is all there is to do. */
#include "freeze_code.h"

#include <string.h>

Proto *reef_freeze_code(struct reef_freeze *freeze, const Proto *source) {
	Proto *copy = reef_ptrmap_get(&freeze->copies, source);
	if (copy != NULL)
		return copy;
	if (!reef_array_reserve(&freeze->codes, 1)) {
		reef_freeze_no_memory(freeze);
		return NULL;
	}
	copy = reef_freeze_alloc(freeze, sizeof(Proto));
	if (copy == NULL)
		return NULL;
	if (!reef_ptrmap_put(&freeze->copies, source, copy)) {
		reef_freeze_no_memory(freeze);
		return NULL;
	}
	freeze->codes.items[freeze->codes.count++] = (struct reef_codelist){source, copy};
	return copy;
}

/* A copy of `count` elements; `*to` is NULL if there are none. */
static bool copy_array(struct reef_freeze *freeze, void *to, const void *from, int count, size_t size) {
	void *copy = NULL;
	if (count > 0) {
		copy = reef_freeze_alloc(freeze, (size_t)count * size);
		if (copy == NULL)
			return false;
		memcpy(copy, from, (size_t)count * size);
	}
	memcpy(to, &copy, sizeof(copy));
	return true;
}

static bool share_string(struct reef_freeze *freeze, TString **s) {
	return *s == NULL || (*s = reef_freeze_string(freeze, *s, true)) != NULL;
}

static bool make_function(struct reef_freeze *freeze, Proto *code) {
	LClosure *f = reef_freeze_alloc(freeze, (size_t)sizeLclosure(0));
	if (f == NULL)
		return false;
	reef_freeze_mark(freeze, obj2gco(f), LUA_VLCL);
	f->p = code;
	code->gclist = obj2gco(f);
	return true;
}

static bool fill_code(struct reef_freeze *freeze, const Proto *source, Proto *copy) {
	*copy = *source;
	copy->gclist = NULL;
	if (!copy_array(freeze, &copy->code, source->code, source->sizecode, sizeof(Instruction)) ||
		!copy_array(freeze, &copy->k, source->k, source->sizek, sizeof(TValue)) ||
		!copy_array(freeze, &copy->p, source->p, source->sizep, sizeof(Proto *)) ||
		!copy_array(freeze, &copy->upvalues, source->upvalues, source->sizeupvalues, sizeof(Upvaldesc)) ||
		!copy_array(freeze, &copy->lineinfo, source->lineinfo, source->sizelineinfo, sizeof(ls_byte)) ||
		!copy_array(freeze, &copy->abslineinfo, source->abslineinfo, source->sizeabslineinfo, sizeof(AbsLineInfo)) ||
		!copy_array(freeze, &copy->locvars, source->locvars, source->sizelocvars, sizeof(LocVar)) ||
		!share_string(freeze, &copy->source))
		return false;
	for (int i = 0; i < copy->sizek; i++) {
		if (ttisstring(&copy->k[i])) {
			TString *s = tsvalue(&copy->k[i]);
			if (!share_string(freeze, &s))
				return false;
			setsvalue(freeze->L, &copy->k[i], s);
		}
	}
	for (int i = 0; i < copy->sizep; i++) {
		if ((copy->p[i] = reef_freeze_code(freeze, copy->p[i])) == NULL)
			return false;
	}
	for (int i = 0; i < copy->sizeupvalues; i++) {
		if (!share_string(freeze, &copy->upvalues[i].name))
			return false;
	}
	for (int i = 0; i < copy->sizelocvars; i++) {
		if (!share_string(freeze, &copy->locvars[i].varname))
			return false;
	}
	reef_freeze_mark(freeze, obj2gco(copy), LUA_VPROTO);
	return !freeze->ready_functions || copy->sizeupvalues > 0 || make_function(freeze, copy);
}

bool reef_freeze_code_run(struct reef_freeze *freeze) {
	for (size_t i = 0; i < freeze->codes.count; i++) {
		if (!fill_code(freeze, freeze->codes.items[i].source, freeze->codes.items[i].copy))
			return false;
	}
	return true;
}
