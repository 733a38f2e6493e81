/* Rows and strings of datasheets. */
#include "row.h"

#include <stdio.h>
#include <string.h>

#include "core/alloc.h"
#include "sharetable/overlay/pool.h"

static void path_unknown(struct reef_owner *owner, const struct Table *t, char *out, size_t size) {
	(void)owner;
	(void)t;
	snprintf(out, size, "a row of a datasheet");
}

struct reef_owner reef_row_owner = {path_unknown};

/* Readers' threads free, too. */
static size_t row_total, string_total, byte_total;

static void account(size_t *total, size_t count, size_t bytes) {
	__atomic_fetch_add(total, count, __ATOMIC_RELAXED);
	__atomic_fetch_add(&byte_total, bytes, __ATOMIC_RELAXED);
}

void reef_row_stat(size_t *rows, size_t *strings, size_t *bytes) {
	*rows = __atomic_load_n(&row_total, __ATOMIC_RELAXED);
	*strings = __atomic_load_n(&string_total, __ATOMIC_RELAXED);
	*bytes = __atomic_load_n(&byte_total, __ATOMIC_RELAXED);
}

static void mark(GCObject *o, int tag) {
	o->next = (GCObject *)(void *)&reef_row_owner;
	o->tt = cast_byte(tag);
	o->marked = REEF_PASSING_MARK;
}

/* ---- rows ---- */

#define UNIT ((size_t)8)

struct reef_row *reef_row_new(const struct reef_layout *layout) {
	struct reef_layout nothing = {0, 0, 0};
	size_t room = reef_layout_size(layout);
	if (room > REEF_ROOM_MAX * UNIT)
		room = 0;
	struct reef_row *row = reef_try_malloc(sizeof(*row) + room);
	if (row == NULL)
		return NULL;
	memset(row, 0, sizeof(*row));
	row->room = room / UNIT & REEF_ROOM_MAX;
	reef_layout_apply(&nothing, &row->table, NULL);
	account(&row_total, 1, sizeof(*row) + room);
	return row;
}

void reef_row_retire(struct reef_row *row, struct reef_note *note) {
	account(&row_total, 0, -(row->room * UNIT));
	row->note = note;
}

void reef_row_free(struct reef_row *row) {
	account(&row_total, (size_t)-1, -sizeof(*row));
	reef_free(row);
}

void reef_row_share(struct reef_row *row) {
	mark(obj2gco(&row->table), LUA_VTABLE);
}

/* Where the content lies; NULL if it is empty. */
static void *memory_of(const Table *t) {
	return t->array != NULL ? (void *)t->array : isdummy(t) ? NULL : (void *)t->node;
}

/* Bytes that the content takes besides the row's own room. */
static size_t content_size(const struct reef_row *row, const Table *t) {
	if (memory_of(t) == row + 1)
		return 0;
	return t->alimit * sizeof(TValue) + (isdummy(t) ? 0 : (size_t)sizenode(t) * sizeof(Node));
}

bool reef_content_new(struct reef_row *row, const struct reef_layout *layout, Table *t) {
	size_t size = reef_layout_size(layout);
	void *memory = NULL;
	if (size > 0 && size <= row->room * UNIT && memory_of(&row->table) != row + 1) {
		memory = row + 1;
	} else if (size > 0) {
		memory = reef_try_malloc(size);
		if (memory == NULL)
			return false;
		account(&row_total, 0, size);
	}
	reef_layout_apply(layout, t, memory);
	for (unsigned int i = 0; i < t->alimit; i++)
		setempty(&t->array[i]);
	return true;
}

void reef_content_free(const struct reef_row *row, Table *t) {
	if (memory_of(t) == row + 1)
		return;
	account(&row_total, 0, -content_size(row, t));
	reef_free(memory_of(t));
}

void reef_content_exchange(Table *a, Table *b) {
	Table old = *a;
	a->flags = b->flags;
	a->lsizenode = b->lsizenode;
	a->alimit = b->alimit;
	a->array = b->array;
	a->node = b->node;
	a->lastfree = b->lastfree;
	b->flags = old.flags;
	b->lsizenode = old.lsizenode;
	b->alimit = old.alimit;
	b->array = old.array;
	b->node = old.node;
	b->lastfree = old.lastfree;
}

/* 1 and 1.0 are equal, and so are the zeros, but they are not the same; nor are they if that cannot be told. */
bool reef_row_is_same(const TValue *old, const TValue *new) {
	return ttypetag(old) == ttypetag(new) &&
		   (ttisfloat(new) ? memcmp(&fltvalue(old), &fltvalue(new), sizeof(lua_Number)) == 0
						   : luaV_rawequalobj(old, new) != 0);
}

/* ---- strings ---- */

/* A string with what is ours in front of it. */
struct counted {
	union {
		struct counted *next;   /* in its chain */
		GCObject *next_retired; /* without references: in a list of whoever keeps it */
	};
	size_t refs;
	TString string;
};

static struct counted **chains;
static size_t chain_count, string_count;

static struct counted *counted_of(const TString *s) {
	return (struct counted *)(void *)((char *)(void *)s - offsetof(struct counted, string));
}

static bool is_counted(const TString *s) {
	return reef_owner_of(s) == &reef_row_owner;
}

static bool same(const TString *a, const TString *b) {
	return a->tt == b->tt && a->hash == b->hash && tsslen(a) == tsslen(b) &&
		   memcmp(getstr(a), getstr(b), tsslen(a)) == 0;
}

static bool row_grow(void) {
	size_t count = chain_count == 0 ? 1024 : chain_count * 2;
	struct counted **larger = reef_try_malloc(count * sizeof(*larger));
	if (larger == NULL)
		return false;
	memset(larger, 0, count * sizeof(*larger));
	for (size_t i = 0; i < chain_count; i++) {
		for (struct counted *c = chains[i], *next; c != NULL; c = next) {
			next = c->next;
			c->next = larger[c->string.hash & (count - 1)];
			larger[c->string.hash & (count - 1)] = c;
		}
	}
	reef_free(chains);
	chains = larger;
	chain_count = count;
	return true;
}

static struct counted *new_counted(const TString *source) {
	size_t size = sizelstring(tsslen(source));
	struct counted *c = reef_try_malloc(offsetof(struct counted, string) + size);
	if (c == NULL)
		return NULL;
	account(&string_total, 1, offsetof(struct counted, string) + size);
	memcpy(&c->string, source, size);
	mark(obj2gco(&c->string), source->tt);
	if (source->tt == LUA_VSHRSTR)
		c->string.u.hnext = NULL;
	c->refs = 0;
	c->next = NULL;
	return c;
}

TString *reef_row_string_copy(const TString *source) {
	if (source->tt == LUA_VLNGSTR)
		luaS_hashlongstr((TString *)source);
	struct counted *c = new_counted(source);
	return c ? &c->string : NULL;
}

TString *reef_row_string(const TString *source, bool name) {
	if (source->tt == LUA_VSHRSTR) {
		TString *pooled = name ? reef_pool_add(source) : reef_pool_find(getstr(source), source->shrlen, source->hash);
		if (pooled != NULL)
			return pooled;
	} else {
		luaS_hashlongstr((TString *)source);
	}
	if (string_count >= chain_count && !row_grow())
		return NULL;
	struct counted **chain = &chains[source->hash & (chain_count - 1)];
	struct counted *c = *chain;
	while (c != NULL && !same(&c->string, source))
		c = c->next;
	if (c == NULL) {
		c = new_counted(source);
		if (c == NULL)
			return NULL;
		c->next = *chain;
		*chain = c;
		string_count++;
	}
	c->refs++;
	return &c->string;
}

bool reef_row_string_unref(TString *s) {
	if (!is_counted(s) || --counted_of(s)->refs > 0)
		return false;
	struct counted **link = &chains[s->hash & (chain_count - 1)];
	while (*link != counted_of(s))
		link = &(*link)->next;
	*link = counted_of(s)->next;
	string_count--;
	return true;
}

static size_t counted_size(const TString *s) {
	return offsetof(struct counted, string) + sizelstring(tsslen(s));
}

void reef_row_string_free(TString *s) {
	account(&string_total, (size_t)-1, -counted_size(s));
	reef_free(counted_of(s));
}

/* ---- both ---- */

GCObject **reef_row_link(GCObject *o) {
	/* No collector ever comes to a shared table, so the place for its list of gray objects is free. */
	return o->tt == LUA_VTABLE ? &gco2t(o)->gclist : &counted_of(gco2ts(o))->next_retired;
}

size_t reef_row_size(const GCObject *o) {
	return o->tt == LUA_VTABLE ? sizeof(struct reef_row) + content_size(reef_row_of(gco2t(o)), gco2t(o))
							   : counted_size(gco2ts(o));
}
