/* tsan: no, one thread does all of it */
/* Memory runs out at every step, once and for good: what was begun is taken back, what was there stays, nothing is lost.
 * The sanitizer's leak check and the bytes that are mapped tell. */
#include "share_failing.h"

#include <unistd.h>

#include "sharetable/codecache.h"
#include "sharetable/lua_sharetable.h"
#include "sharetable/versions.h"

static lua_State *new_vm_with_tables(void) {
	return new_failing_vm("sharetable", reef_sharetable_open);
}

/* ---- sharetable ---- */

static const char tree[] =
		"local meta = { __index = { q = 1 } }\n"
		"local t = { list = {}, names = {}, f = function(x) return x + 1 end, print = print,\n"
		"	o = setmetatable({}, meta), long = ('long'):rep(20), [1.5] = true }\n"
		"for i = 1, 40 do t.list[i] = { id = i, name = 'row number ' .. i } t.names['n ' .. i] = i end\n"
		"t.self = t t[t.list] = t.list\n"
		"return t\n";

static struct reef_snapshot *snapshot;

static void push_tree(lua_State *L) {
	lua_pushnil(L);
	run_with(L, tree);
}

static int freeze(lua_State *L) {
	char why[200];
	snapshot = reef_snapshot_table(L, -1, "tree", why, sizeof(why));
	if (snapshot != NULL)
		return LUA_OK;
	lua_pushstring(L, why);
	return LUA_ERRRUN;
}

static void read_source(lua_State *L) {
	lua_pushvalue(L, -1);
	run_with(L, "local t = ... assert(t.list[40].id == 40 and t.self == t and t[t.list] == t.list and t.o.q == 1)");
	lua_pop(L, 1);
}

static void read_frozen(lua_State *L) {
	read_source(L);
	reef_snapshot_push(L, snapshot);
	read_source(L);
	lua_pop(L, 1);
	reef_snapshot_delete(snapshot);
}

static void freezing_unwinds(void **state) {
	(void)state;
	size_t mapped = reef_mapped();
	at_every_step(&(struct attempt){new_vm_with_tables, push_tree, freeze, read_source, read_frozen});
	assert_int_equal(reef_mapped(), mapped);
}

static int versions_of(const char *name) {
	lua_State *L = new_vm_with_tables();
	lua_pushstring(L, name);
	lua_setglobal(L, "wanted");
	run(L, "n = 0 for _, v in ipairs(sharetable.stat()) do if v.name == wanted then n = n + 1 end end");
	lua_getglobal(L, "n");
	int n = (int)lua_tointeger(L, -1);
	reef_vm_close(L);
	return n;
}

static void before_publish(lua_State *L) {
	run(L, "local function data(v)\n"
		   "	local t = { v = v, list = {} }\n"
		   "	for i = 1, 30 do t.list[i] = { v = v, name = 'row ' .. i .. ' of ' .. v } end\n"
		   "	return t\n"
		   "end\n"
		   "assert(sharetable.publish('step', data(1)) == nil)\n"
		   "T = sharetable.query 'step'\n"
		   "hold = { T.list[1], T.list[2].name, [T.list[3]] = 3 }\n"
		   "new = data(2)\n"
		   "function go()\n"
		   "	local why = sharetable.publish('step', new)\n"
		   "	if why then error(why, 0) end\n"
		   "	assert(sharetable.query('step').v == 2)\n"
		   "end\n");
}

static int publish(lua_State *L) {
	return call_global(L, "go");
}

static void still_old(lua_State *L) {
	run(L, "local v = sharetable.query('step').v assert((v == 1 or v == 2) and T.v == 1 and hold[1].v == 1)");
}

static void published(lua_State *L) {
	run(L, "assert(T.v == 1 and sharetable.query('step').v == 2)\n"
		   "sharetable.update('step')\n"
		   "assert(T.v == 2 and hold[1].v == 2 and hold[T.list[3]] == 3 and hold[2] == 'row 2 of 1')\n"
		   "for _, v in ipairs(sharetable.stat()) do assert(v.current or v.left == 0) end\n");
	assert_int_equal(versions_of("step"), 1);
}

static void publishing_unwinds(void **state) {
	(void)state;
	at_every_step(&(struct attempt){new_vm_with_tables, before_publish, publish, still_old, published});
}

static void before_update(lua_State *L) {
	before_publish(L);
	run(L, "go() function go() sharetable.update('step') end");
}

static void updated(lua_State *L) {
	run(L, "collectgarbage() assert(T.v == 2 and hold[1].v == 2 and hold[T.list[3]] == 3 and hold[2] == 'row 2 of 1')");
	assert_int_equal(versions_of("step"), 1);
}

static void not_updated(lua_State *L) {
	run(L, "collectgarbage() assert(T.v == 1 and hold[1].v == 1 and hold[T.list[3]] == 3 and hold[2] == 'row 2 of 1')");
}

static void updates_unwind(void **state) {
	(void)state;
	at_every_step(&(struct attempt){new_vm_with_tables, before_update, publish, not_updated, updated});
}

static void before_load(lua_State *L) {
	run(L, "source = 'local a, b = ... local t = {} for i = 1, 20 do t[i] = { a .. i, b } end return t'\n"
		   "function go()\n"
		   "	local why = sharetable.load('loaded', false, sharetable.freeze(source, 'text', { 1 }))\n"
		   "	if why then error(why, 0) end\n"
		   "end\n"
		   "assert(sharetable.publish('loaded', { old = true }) == nil)\n");
}

static void not_loaded(lua_State *L) {
	run(L, "assert(sharetable.query('loaded').old)");
}

static void loaded(lua_State *L) {
	run(L, "local t = sharetable.query('loaded') assert(t[20][1] == 'text20' and t[3][2][1] == 1 and not t.old)");
}

static void loads_unwind(void **state) {
	(void)state;
	at_every_step(&(struct attempt){new_vm_with_tables, before_load, publish, not_loaded, loaded});
}

/* ---- code ---- */

static char path[] = "/tmp/reef-memory-XXXXXX";

static int load_code(lua_State *L) {
	int status = reef_codecache_load(L, path, NULL);
	return status != LUA_OK ? status : lua_pcall(L, 0, 1, 0);
}

static int load_protected(lua_State *L) {
	if (load_code(L) != LUA_OK)
		return lua_error(L);
	lua_setglobal(L, "m");
	return 0;
}

static int load_attempt(lua_State *L) {
	lua_pushcfunction(L, load_protected);
	return lua_pcall(L, 0, 0, 0);
}

static void check_code(lua_State *L) {
	run(L, "assert(m.f(2) == 3 and m.name == 'a module' and m.g(1)[3] == ('long text '):rep(9))");
	reef_codecache_evict(path);
}

static void evict(lua_State *L) {
	(void)L;
	reef_codecache_evict(path);
}

static void nothing(lua_State *L) {
	(void)L;
}

static void loading_code_unwinds(void **state) {
	(void)state;
	int fd = mkstemp(path);
	static const char text[] = "local m = { name = 'a module' }\n"
							   "function m.f(x) local function g() return x + 1 end return g() end\n"
							   "function m.g(y) return { y, 'some text', ('long text '):rep(9) } end\n"
							   "return m\n";
	assert_int_equal(write(fd, text, sizeof(text) - 1), (ssize_t)sizeof(text) - 1);
	close(fd);
	size_t mapped = reef_mapped();
	at_every_step(&(struct attempt){new_vm_with_tables, evict, load_attempt, nothing, check_code});
	unlink(path);
	assert_int_equal(reef_mapped(), mapped);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(freezing_unwinds),     cmocka_unit_test(publishing_unwinds),
			cmocka_unit_test(updates_unwind),       cmocka_unit_test(loads_unwind),
			cmocka_unit_test(loading_code_unwinds),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
