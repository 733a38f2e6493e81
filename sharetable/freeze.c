/* What freezing is made of: memory, marks and strings. Of long strings the hash is computed here, since reading must never write. */
#include "freeze.h"

#include <stdio.h>
#include <string.h>

#include "sharetable/overlay/pool.h"

bool reef_freeze_no_memory(struct reef_freeze *freeze) {
	snprintf(freeze->why, freeze->why_size, "not enough memory");
	return false;
}

void *reef_freeze_alloc(struct reef_freeze *freeze, size_t size) {
	void *p = reef_arena_alloc(freeze->arena, size);
	if (p == NULL)
		reef_freeze_no_memory(freeze);
	return p;
}

void reef_freeze_mark(struct reef_freeze *freeze, GCObject *o, int tag) {
	o->next = (GCObject *)(void *)freeze->owner;
	o->tt = cast_byte(tag);
	o->marked = freeze->passing ? REEF_PASSING_MARK : REEF_SHARED_MARK;
}

static bool is_pooled(const TString *s) {
	return s->tt == LUA_VSHRSTR && reef_is_shared(s) && reef_owner_of(s) == NULL;
}

TString *reef_freeze_string(struct reef_freeze *freeze, const TString *source, bool identifier) {
	if (is_pooled(source))
		return (TString *)source;
	bool is_short = source->tt == LUA_VSHRSTR;
	TString *copy = NULL;
	if (is_short && identifier)
		copy = reef_pool_add(source);
	if (copy != NULL)
		return copy;
	copy = reef_ptrmap_get(&freeze->copies, source);
	if (copy != NULL)
		return copy;
	if (is_short)
		copy = reef_pool_find(getstr(source), source->shrlen, source->hash);
	if (copy == NULL) {
		size_t size = sizelstring(tsslen(source));
		copy = reef_freeze_alloc(freeze, size);
		if (copy == NULL)
			return NULL;
		if (!is_short)
			luaS_hashlongstr((TString *)source);
		memcpy(copy, source, size);
		reef_freeze_mark(freeze, obj2gco(copy), source->tt);
		if (is_short)
			copy->u.hnext = NULL;
	}
	if (!reef_ptrmap_put(&freeze->copies, source, copy)) {
		reef_freeze_no_memory(freeze);
		return NULL;
	}
	return copy;
}
