/* The image of the standard libraries: a list of objects whose references to each other are numbers.
 *
 * Roots are the fields of the registry and the metatable of strings. Tables, C functions with upvalues and userdata (open
 * files, the state of the random number generator) are objects of the list; everything else is a value, its strings being
 * in the pool or shared for ever like those. Object 0 is the table of globals, which a new VM has already.
 *
 * Copying has two passes. The first allocates, and all that it made is valid, if empty; so it may fail at any point. The
 * second fills and cannot fail.
 */
#include "image.h"

#include "sharetable/overlay/ov.h" /* before lauxlib.h, which would turn on Lua's assertions */

#include <lauxlib.h>
#include <lualib.h>
#include <string.h>

#include "arena.h"
#include "sharetable/overlay/pool.h"

enum { MAX_OBJECTS = 128, MAX_ROOTS = 16 };
enum { REGISTRY_ITEMS = 8, REGISTRY_FIELDS = 16 }; /* what the registry of a small service holds in the end */

struct image_object {
	int tag;       /* LUA_VTABLE, LUA_VCCL or LUA_VUSERDATA */
	int metatable; /* number of an object, or -1 */
	Table table;   /* the parts' addresses are copies in the image's arena */
	CClosure *closure;
	Udata *userdata;
	const void *source; /* while the image is made */
};

static struct {
	struct reef_arena arena;
	struct image_object objects[MAX_OBJECTS];
	int count;
	struct {
		TValue key, value;
	} roots[MAX_ROOTS];
	int root_count;
	int string_metatable;
	void (*open)(lua_State *L);
} image;

/* ---- making it ---- */

/* References between objects of the image: the number, as if it was an address. */
static GCObject *to_reference(int number) {
	return (GCObject *)(void *)(uintptr_t)(unsigned int)number;
}

static int from_reference(const GCObject *reference) {
	return (int)(uintptr_t)reference;
}

static int number_of(GCObject *o) {
	for (int i = 0; i < image.count; i++) {
		if (image.objects[i].source == o)
			return i;
	}
	if (image.count == MAX_OBJECTS)
		return -1;
	image.objects[image.count] = (struct image_object){.tag = o->tt, .metatable = -1, .source = o};
	return image.count++;
}

static TString *keep_string(const TString *s) {
	TString *kept = s->tt == LUA_VSHRSTR ? reef_pool_add(s) : NULL;
	if (kept == NULL && (kept = reef_arena_alloc(&image.arena, sizelstring(tsslen(s)))) != NULL) {
		if (s->tt == LUA_VLNGSTR)
			luaS_hashlongstr((TString *)s);
		memcpy(kept, s, sizelstring(tsslen(s)));
		kept->next = NULL;
		kept->marked = REEF_SHARED_MARK;
	}
	return kept;
}

/* Makes a value of the VM one of the image. */
static bool keep_value(TValue *v) {
	if (!iscollectable(v))
		return true;
	if (ttisstring(v)) {
		TString *s = keep_string(tsvalue(v));
		val_(v).gc = obj2gco(s);
		return s != NULL;
	}
	if (!ttistable(v) && !ttisCclosure(v) && !ttisfulluserdata(v))
		return false;
	int number = number_of(gcvalue(v));
	val_(v).gc = to_reference(number);
	return number >= 0;
}

static bool keep_metatable(struct image_object *object, Table *metatable) {
	if (metatable != NULL && (object->metatable = number_of(obj2gco(metatable))) < 0)
		return false;
	return true;
}

static bool keep_key(Node *n) {
	TValue key;
	if (isempty(gval(n)))
		return true;
	getnodekey(NULL, &key, n);
	bool ok = keep_value(&key);
	setnodekey(NULL, n, &key);
	return ok && keep_value(gval(n));
}

static bool keep_table(struct image_object *object, const Table *source) {
	Table *t = &object->table;
	*t = *source;
	t->alimit = luaH_realasize(source);
	if (t->alimit > 0) {
		t->array = reef_arena_alloc(&image.arena, t->alimit * sizeof(TValue));
		if (t->array == NULL)
			return false;
		memcpy(t->array, source->array, t->alimit * sizeof(TValue));
		for (unsigned int i = 0; i < t->alimit; i++) {
			if (!keep_value(&t->array[i]))
				return false;
		}
	}
	if (!isdummy(source)) {
		t->node = reef_arena_alloc(&image.arena, (size_t)sizenode(source) * sizeof(Node));
		if (t->node == NULL)
			return false;
		memcpy(t->node, source->node, (size_t)sizenode(source) * sizeof(Node));
		for (int i = 0; i < sizenode(source); i++) {
			if (!keep_key(gnode(t, i)))
				return false;
		}
		t->lastfree = t->node + (source->lastfree - source->node);
	}
	return keep_metatable(object, source->metatable);
}

static bool keep_closure(struct image_object *object, const CClosure *source) {
	size_t size = (size_t)sizeCclosure(source->nupvalues);
	CClosure *f = object->closure = reef_arena_alloc(&image.arena, size);
	if (f == NULL)
		return false;
	memcpy(f, source, size);
	for (int i = 0; i < f->nupvalues; i++) {
		if (!keep_value(&f->upvalue[i]))
			return false;
	}
	return true;
}

static bool keep_userdata(struct image_object *object, const Udata *source) {
	size_t size = sizeudata(0, source->len);
	object->userdata = reef_arena_alloc(&image.arena, size);
	if (source->nuvalue != 0 || object->userdata == NULL)
		return false;
	memcpy(object->userdata, source, size);
	return keep_metatable(object, source->metatable);
}

static bool keep_object(struct image_object *object) {
	switch (object->tag) {
	case LUA_VTABLE:
		return keep_table(object, object->source);
	case LUA_VCCL:
		return keep_closure(object, object->source);
	default:
		return keep_userdata(object, object->source);
	}
}

static bool make_image(lua_State *L) {
	Table *registry = hvalue(&G(L)->l_registry);
	reef_arena_init(&image.arena);
	number_of(gcvalue(luaH_getint(registry, LUA_RIDX_GLOBALS)));
	image.string_metatable = number_of(obj2gco(G(L)->mt[LUA_TSTRING]));
	for (int i = 0; i < sizenode(registry); i++) {
		Node *n = gnode(registry, i);
		if (isempty(gval(n)) || !keyisshrstr(n))
			continue;
		if (image.root_count == MAX_ROOTS)
			return false;
		TValue *key = &image.roots[image.root_count].key, *value = &image.roots[image.root_count].value;
		getnodekey(L, key, n);
		setobj(L, value, gval(n));
		image.root_count++;
		if (!keep_value(key) || !keep_value(value))
			return false;
	}
	for (int i = 0; i < image.count; i++) {
		if (!keep_object(&image.objects[i]))
			return false;
	}
	return true;
}

/* ---- copying it into a VM ---- */

static void allocate(lua_State *L, GCObject **copies, int i) {
	const struct image_object *object = &image.objects[i];
	switch (object->tag) {
	case LUA_VTABLE: {
		Table *t = i == 0 ? hvalue(luaH_getint(hvalue(&G(L)->l_registry), LUA_RIDX_GLOBALS)) : luaH_new(L);
		copies[i] = obj2gco(t);
		luaH_resize(L, t, object->table.alimit, isdummy(&object->table) ? 0 : (unsigned int)sizenode(&object->table));
		break;
	}
	case LUA_VCCL: {
		CClosure *f = luaF_newCclosure(L, object->closure->nupvalues);
		copies[i] = obj2gco(f);
		for (int u = 0; u < f->nupvalues; u++)
			setnilvalue(&f->upvalue[u]);
		break;
	}
	default: {
		Udata *u = luaS_newudata(L, object->userdata->len, 0);
		copies[i] = obj2gco(u);
		memcpy(getudatamem(u), getudatamem(object->userdata), u->len);
	}
	}
}

static void image_resolve(GCObject *const *copies, TValue *v) {
	if (iscollectable(v) && !ttisstring(v))
		val_(v).gc = copies[from_reference(gcvalue(v))];
}

static void fill(lua_State *L, GCObject *const *copies, int i) {
	const struct image_object *object = &image.objects[i];
	if (object->tag == LUA_VTABLE) {
		Table *t = gco2t(copies[i]);
		const Table *from = &object->table;
		if (from->alimit > 0)
			memcpy(t->array, from->array, from->alimit * sizeof(TValue));
		for (unsigned int k = 0; k < from->alimit; k++)
			image_resolve(copies, &t->array[k]);
		if (!isdummy(from)) {
			memcpy(t->node, from->node, (size_t)sizenode(from) * sizeof(Node));
			t->lastfree = t->node + (from->lastfree - from->node);
			for (int k = 0; k < sizenode(t); k++)
				image_resolve(copies, gval(gnode(t, k)));
		}
		t->flags = cast_byte(t->flags & ~maskflags); /* that of files has a finalizer */
		if (isblack(t))
			luaC_barrierback_(L, obj2gco(t));
	} else if (object->tag == LUA_VCCL) {
		CClosure *f = gco2ccl(copies[i]);
		f->f = object->closure->f;
		for (int k = 0; k < f->nupvalues; k++) {
			setobj(L, &f->upvalue[k], &object->closure->upvalue[k]);
			image_resolve(copies, &f->upvalue[k]);
		}
	}
}

static void push_object(lua_State *L, GCObject *o) {
	setgcovalue(L, s2v(REEF_TOP(L)), o);
	REEF_TOP(L)++;
}

static void set_metatable(lua_State *L, GCObject *const *copies, int i, int metatable) {
	push_object(L, copies[i]);
	push_object(L, copies[metatable]);
	lua_setmetatable(L, -2);
	lua_pop(L, 1);
}

/* False: this VM is to have them the stock way. */
static bool copy_libraries(lua_State *L) {
	GCObject *copies[MAX_OBJECTS] = {NULL};
	global_State *g = G(L);
	bool no_environment = lua_getfield(L, LUA_REGISTRYINDEX, "LUA_NOENV") == LUA_TBOOLEAN && lua_toboolean(L, -1);
	lua_pop(L, 1);
	Table *globals = hvalue(luaH_getint(hvalue(&g->l_registry), LUA_RIDX_GLOBALS));
	if (image.count == 0 || !no_environment || !isdummy(globals) || !lua_checkstack(L, 8))
		return false;
	/* Until the references are set nothing holds the copies. */
	lu_byte stopped = g->gcstp, no_emergency = g->gcstopem;
	g->gcstp |= GCSTPUSR;
	g->gcstopem = 1;
	luaH_resize(L, hvalue(&g->l_registry), REGISTRY_ITEMS, REGISTRY_FIELDS);
	for (int i = 0; i < image.count; i++)
		allocate(L, copies, i);
	for (int i = 0; i < image.count; i++)
		fill(L, copies, i);
	g->gcstopem = no_emergency;
	g->mt[LUA_TSTRING] = gco2t(copies[image.string_metatable]);
	for (int i = 0; i < image.count; i++) {
		if (image.objects[i].metatable >= 0)
			set_metatable(L, copies, i, image.objects[i].metatable);
	}
	for (int i = 0; i < image.root_count; i++) {
		setobj2s(L, REEF_TOP(L), &image.roots[i].key);
		REEF_TOP(L)++;
		setobj2s(L, REEF_TOP(L), &image.roots[i].value);
		image_resolve(copies, s2v(REEF_TOP(L)));
		REEF_TOP(L)++;
		lua_rawset(L, LUA_REGISTRYINDEX);
	}
	g->gcstp = stopped;
	lua_getglobal(L, LUA_MATHLIBNAME);
	lua_getfield(L, -1, "randomseed");
	lua_call(L, 0, 0);
	lua_pop(L, 1);
	return true;
}

void reef_image_open(lua_State *L) {
	if (!copy_libraries(L))
		image.open(L);
}

static int prepare(lua_State *L) {
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	image.open(L);
	lua_pushboolean(L, make_image(L));
	return 1;
}

bool reef_image_setup(void (*open)(lua_State *L)) {
	image.open = open;
	lua_State *L = luaL_newstate();
	if (L == NULL)
		return false;
	lua_pushcfunction(L, prepare);
	bool ok = lua_pcall(L, 0, 1, 0) == LUA_OK && lua_toboolean(L, -1);
	lua_close(L);
	if (ok)
		ok = reef_arena_seal(&image.arena);
	if (!ok) {
		reef_arena_delete(&image.arena);
		image.count = 0;
	}
	return ok;
}
