/* The standard libraries for new VMs, copied instead of built.
 *
 * Opening the libraries the stock way creates some 150 fields, one string lookup and one table insertion each. Here it is
 * done once, in a template VM; a new VM gets tables of the same size and a copy of their nodes. That works because the
 * keys are pooled strings, which every VM may hold, and nearly all values are light C functions or numbers. What is not
 * (strings, references to other tables of the template) is noted as a patch and filled in afterwards.
 *
 * `package` and `io` keep state of their own VM and are opened the stock way. The template belongs to the process; it is
 * written once at start-up and then read by any thread.
 */
#include "libraries.h"

#include <lauxlib.h>
#include <lualib.h>
#include <stdbool.h>

#include "core/alloc.h"
#include "overlay/ov.h"

#define MAX_TABLES 16

/* A field whose value is made anew in each VM. */
struct patch {
	struct patch *next;
	unsigned int node;
	int table;  /* index into the template, -1: the string */
	char *text; /* with its length */
	size_t size;
};

struct template {
	const Table *source; /* while the template is being made */
	Node *nodes;
	ptrdiff_t last_free;
	lu_byte size_log2;
	struct patch *patches;
};

static const luaL_Reg copied[] = {
		{LUA_GNAME, luaopen_base},          {LUA_TABLIBNAME, luaopen_table}, {LUA_OSLIBNAME, luaopen_os},
		{LUA_STRLIBNAME, luaopen_string},   {LUA_MATHLIBNAME, luaopen_math}, {LUA_UTF8LIBNAME, luaopen_utf8},
		{LUA_COLIBNAME, luaopen_coroutine}, {LUA_DBLIBNAME, luaopen_debug},
};

enum { GLOBALS, LOADED, STRING_METATABLE }; /* of the template; the libraries follow */
static struct template templates[MAX_TABLES];
static int template_count;

/* ---- making the template ---- */

static int index_of(const Table *t) {
	for (int i = 0; i < template_count; i++) {
		if (templates[i].source == t)
			return i;
	}
	return -1;
}

/* False: the table holds something that cannot be copied. */
static bool add_patch(struct template *to, unsigned int i, const TValue *value) {
	struct patch patch = {.next = to->patches, .node = i, .table = -1};
	if (ttisstring(value)) {
		patch.size = tsslen(tsvalue(value));
		patch.text = reef_malloc(patch.size + 1);
		memcpy(patch.text, getstr(tsvalue(value)), patch.size + 1);
	} else if (ttistable(value)) {
		patch.table = index_of(hvalue(value));
	}
	if (patch.text == NULL && patch.table < 0)
		return false;
	to->patches = reef_malloc(sizeof patch);
	*to->patches = patch;
	setempty(gval(&to->nodes[i]));
	return true;
}

static bool copy_table(struct template *to) {
	const Table *t = to->source;
	unsigned int n = (unsigned int)sizenode(t);
	if (t->alimit != 0 || isdummy(t))
		return false;
	to->size_log2 = t->lsizenode;
	to->last_free = t->lastfree - t->node;
	to->nodes = reef_malloc(n * sizeof(Node));
	memcpy(to->nodes, t->node, n * sizeof(Node));
	for (unsigned int i = 0; i < n; i++) {
		const Node *node = &to->nodes[i];
		if (isempty(gval(node)))
			continue;
		if (!keyisshrstr(node) || !reef_is_shared(keystrval(node)))
			return false;
		if (iscollectable(gval(node)) && !add_patch(to, i, gval(node)))
			return false;
	}
	return true;
}

/* Names the table on top of the stack as the next of the template, and leaves it there. */
static void add_template(lua_State *L) {
	templates[template_count++].source = hvalue(s2v(REEF_TOP(L) - 1));
}

static int make(lua_State *L) {
	for (size_t i = 0; i < sizeof copied / sizeof copied[0]; i++)
		luaL_requiref(L, copied[i].name, copied[i].func, 1);
	lua_pushglobaltable(L);
	add_template(L);
	lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	add_template(L);
	lua_pushliteral(L, "");
	if (!lua_getmetatable(L, -1))
		return 0;
	add_template(L);
	for (size_t i = 1; i < sizeof copied / sizeof copied[0]; i++) {
		lua_getglobal(L, copied[i].name);
		add_template(L);
	}
	bool complete = true;
	for (int i = 0; i < template_count; i++)
		complete = copy_table(&templates[i]) && complete;
	lua_pushboolean(L, complete);
	return 1;
}

static void free_template(void) {
	for (int i = 0; i < template_count; i++) {
		while (templates[i].patches) {
			struct patch *patch = templates[i].patches;
			templates[i].patches = patch->next;
			reef_free(patch->text);
			reef_free(patch);
		}
		reef_free(templates[i].nodes);
	}
	template_count = 0;
}

void reef_libraries_setup(void) {
	lua_State *L = luaL_newstate();
	if (L == NULL)
		return;
	lua_pushcfunction(L, make);
	if (lua_pcall(L, 0, 1, 0) != LUA_OK || !lua_toboolean(L, -1))
		free_template();
	lua_close(L);
}

/* ---- using it ---- */

/* Gives the table on top of the stack the template's nodes. */
static void fill(lua_State *L, const struct template *from) {
	Table *t = hvalue(s2v(REEF_TOP(L) - 1));
	luaH_resize(L, t, 0, 1u << from->size_log2);
	memcpy(t->node, from->nodes, sizeof(Node) << from->size_log2);
	t->lastfree = t->node + from->last_free;
	t->flags = cast_byte(t->flags & ~maskflags); /* it may have metamethods now */
}

/* The table at a place of the stack counted from the function's first. */
static Table *table_at(lua_State *L, int i) {
	return hvalue(s2v(REEF_CI_FUNC(L->ci) + i));
}

static void patch(lua_State *L, int first, int i) {
	for (const struct patch *patch = templates[i].patches; patch; patch = patch->next) {
		if (patch->text)
			lua_pushlstring(L, patch->text, patch->size);
		else
			lua_pushvalue(L, first + patch->table);
		Table *t = table_at(L, first + i);
		setobj2t(L, gval(&t->node[patch->node]), s2v(REEF_TOP(L) - 1));
		luaC_barrierback(L, obj2gco(t), s2v(REEF_TOP(L) - 1));
		lua_pop(L, 1);
	}
}

void reef_libraries_open(lua_State *L) {
	if (template_count == 0) {
		luaL_openlibs(L);
		return;
	}
	int first = lua_gettop(L) + 1;
	luaL_checkstack(L, MAX_TABLES + 4, NULL);
	lua_pushglobaltable(L);
	fill(L, &templates[GLOBALS]);
	for (int i = LOADED; i < template_count; i++) {
		lua_createtable(L, 0, 0);
		fill(L, &templates[i]);
	}
	for (int i = 0; i < template_count; i++)
		patch(L, first, i);
	lua_pushvalue(L, first + LOADED);
	lua_setfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
	lua_pushliteral(L, "");
	lua_pushvalue(L, first + STRING_METATABLE);
	lua_setmetatable(L, -2);
	lua_settop(L, first - 1);
	luaL_requiref(L, LUA_LOADLIBNAME, luaopen_package, 1);
	luaL_requiref(L, LUA_IOLIBNAME, luaopen_io, 1);
	lua_settop(L, first - 1);
}
