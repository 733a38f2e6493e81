/* An update leaves exactly the new data everywhere in a VM, and nothing that points to the old: its pages are unmapped as
 * soon as nobody holds it, so whoever was missed ends the test. */
#include "share_lua.h"

#include <pthread.h>

#include "sharetable/versions.h"
#include "sharetable/vm_close.h"

static void publish(const char *name, const char *code) {
	assert_true(reef_versions_publish(frozen(name, code)));
}

static int l_query(lua_State *L) {
	if (!reef_versions_query(L, luaL_checkstring(L, 1)))
		lua_pushnil(L);
	return 1;
}

static int l_update(lua_State *L) {
	if (!reef_versions_update(L, luaL_optstring(L, 1, NULL)))
		return luaL_error(L, "not enough memory");
	return 0;
}

static int l_publish(lua_State *L) {
	publish(luaL_checkstring(L, 1), luaL_checkstring(L, 2));
	return 0;
}

static int l_registry_ref(lua_State *L) {
	lua_pushinteger(L, luaL_ref(L, LUA_REGISTRYINDEX));
	return 1;
}

static int l_registry_get(lua_State *L) {
	lua_rawgeti(L, LUA_REGISTRYINDEX, lua_tointeger(L, 1));
	return 1;
}

static int l_userdata(lua_State *L) {
	lua_newuserdatauv(L, 8, 1);
	lua_pushvalue(L, 1);
	lua_setiuservalue(L, -2, 1);
	if (lua_istable(L, 2)) {
		lua_pushvalue(L, 2);
		lua_setmetatable(L, -2);
	}
	return 1;
}

static int l_user_value(lua_State *L) {
	lua_getiuservalue(L, 1, 1);
	return 1;
}

struct seen {
	const char *name;
	size_t versions, old, left;
	const char *pinned_by;
};

static void see(void *ud, const struct reef_version_stat *stat) {
	struct seen *seen = ud;
	if (strcmp(stat->name, seen->name) != 0)
		return;
	seen->versions++;
	if (!stat->current) {
		seen->old++;
		seen->left += stat->left;
		seen->pinned_by = stat->pinned_by;
	}
}

static struct seen stat_of(const char *name) {
	struct seen seen = {.name = name};
	reef_versions_stat(see, &seen);
	return seen;
}

/* old(name) -> how many records of old versions, the references left, what holds them */
static int l_old(lua_State *L) {
	struct seen seen = stat_of(luaL_checkstring(L, 1));
	lua_pushinteger(L, (lua_Integer)seen.old);
	lua_pushinteger(L, (lua_Integer)seen.left);
	lua_pushstring(L, seen.pinned_by);
	return 3;
}

static const luaL_Reg reader_functions[] = {{"query", l_query},
											{"update", l_update},
											{"publish", l_publish},
											{"registry_ref", l_registry_ref},
											{"registry_get", l_registry_get},
											{"userdata", l_userdata},
											{"user_value", l_user_value},
											{"old", l_old},
											{NULL, NULL}};

static void add_functions(lua_State *L) {
	lua_pushglobaltable(L);
	luaL_setfuncs(L, reader_functions, 0);
	lua_pop(L, 1);
}

static lua_State *new_reader(void) {
	lua_State *L = new_vm();
	add_functions(L);
	return L;
}

static void run_script(lua_State *L, const char *file) {
	lua_pushnil(L);
	run_loaded(L, luaL_loadfile(L, unit_path(file)));
	lua_pop(L, 1);
}

static void every_reference_becomes_the_new_data(void **state) {
	(void)state;
	lua_State *L = new_reader();
	run_script(L, "update.lua");
	lua_gc(L, LUA_GCGEN, 0, 0);
	run_script(L, "update.lua");
	reef_vm_close(L);
}

static void what_c_code_may_look_at_pins_the_old_version(void **state) {
	(void)state;
	lua_State *L = new_reader();
	run_script(L, "pins.lua");
	reef_vm_close(L);
}

static void no_collector_finds_what_an_update_left_behind(void **state) {
	(void)state;
	lua_State *L = new_reader();
	run_script(L, "stale.lua");
	reef_vm_close(L);
}

/* Spoils what it frees, at once. */
static void *spoiling(void *ud, void *p, size_t old, size_t size) {
	(void)ud;
	void *moved = size == 0 ? NULL : malloc(size);
	if (p != NULL && (moved != NULL || size == 0)) {
		if (moved != NULL)
			memcpy(moved, p, old < size ? old : size);
		memset(p, 0xdd, old);
		free(p);
	}
	return moved;
}

static void what_an_update_writes_lives_as_long_as_its_holder(void **state) {
	(void)state;
	for (int steps = 0; steps < 60; steps++) {
		lua_State *L = lua_newstate(spoiling, NULL);
		luaL_openlibs(L);
		add_functions(L);
		publish("holders", "local t = {} for i = 1, 100 do t[i] = 'a string of number ' .. i end return t");
		run(L, "local T = query 'holders' holders = {}\n"
			   "for i = 1, 100 do\n"
			   "	local s = T[i]\n"
			   "	holders[i] = i % 3 == 0 and { s } or i % 3 == 1 and { [s] = i } or function() return s end\n"
			   "end");
		if (steps == 0)
			lua_gc(L, LUA_GCGEN, 0, 0);
		else
			lua_gc(L, LUA_GCINC, 0, 100, 4);
		lua_gc(L, LUA_GCCOLLECT);
		lua_gc(L, LUA_GCCOLLECT);
		for (int i = 0; i < steps; i++)
			lua_gc(L, LUA_GCSTEP, 0);
		publish("holders", "return {}");
		run(L, "update()");
		if (steps == 0)
			lua_gc(L, LUA_GCSTEP, 0);
		else
			lua_gc(L, LUA_GCCOLLECT);
		run(L, "for i, h in ipairs(holders) do\n"
			   "	local s = type(h) == 'function' and h() or h[1] or next(h)\n"
			   "	assert(s == 'a string of number ' .. i and #s == #('a string of number ' .. i), i)\n"
			   "end");
		reef_vm_close(L);
	}
}

static void a_version_lives_until_the_last_vm_lets_go(void **state) {
	(void)state;
	lua_State *a = new_reader(), *b = new_reader();
	publish("life", "return { v = 1, t = {} }");
	run(a, "T = query 'life' t = T.t");
	run(b, "T = query 'life'");
	publish("life", "return { v = 2, t = {} }");
	assert_int_equal(stat_of("life").old, 2);
	run(a, "assert(T.v == 1) update() assert(T.v == 2 and t == T.t)");
	assert_int_equal(stat_of("life").old, 1);
	run(b, "assert(T.v == 1 and T == T)");
	reef_vm_close(b);
	assert_int_equal(stat_of("life").old, 0);
	publish("life", "return { v = 3 }");
	publish("life", "return { v = 4 }");
	run(a, "update 'other' assert(T.v == 2) update 'life' assert(T.v == 4 and t == nil)");
	assert_int_equal(stat_of("life").old, 0);
	reef_vm_close(a);
	assert_int_equal(stat_of("life").versions, 1);
}

/* An allocator that fails after a while, until it is told otherwise. */
static long allowed = -1;

static void *failing(void *ud, void *p, size_t old, size_t size) {
	(void)ud;
	if (size == 0) {
		free(p);
		return NULL;
	}
	if ((p == NULL || size > old) && allowed >= 0 && allowed-- == 0) {
		allowed = 0;
		return NULL;
	}
	return realloc(p, size);
}

static void an_update_without_memory_changes_nothing(void **state) {
	(void)state;
	int failures = 0;
	for (long n = 0;; n++) {
		lua_State *L = lua_newstate(failing, NULL);
		luaL_openlibs(L);
		lua_register(L, "query", l_query);
		lua_register(L, "update", l_update);
		publish("oom", "return { names = { 'first name', 'second name', ('x'):rep(80) }, sub = { a = 1 }, k = { 1 } }");
		run(L, "T = query 'oom' hold = { T.names[1], T.names[2], T.names[3], sub = T.sub, [T.k] = 'k', [T.names[2]] = "
			   "1 }");
		publish("oom", "return { names = {}, sub = { a = 2 }, k = { 1 } }");
		lua_getglobal(L, "update");
		allowed = n;
		int status = lua_pcall(L, 0, 0, 0);
		allowed = -1;
		if (status != LUA_OK) {
			failures++;
			run(L, "collectgarbage() assert(hold.sub.a == 1 and #T.names == 3 and hold[T.k] == 'k' and "
				   "hold[T.names[2]] == 1)");
			run(L, "update()");
		}
		run(L, "collectgarbage() assert(hold.sub.a == 2 and #T.names == 0 and hold[T.k] == 'k' and hold['second ' .. "
			   "'name'] == 1)"
			   "assert(hold[1] == 'first name' and hold[3] == ('x'):rep(80))");
		assert_int_equal(stat_of("oom").old, 0);
		reef_vm_close(L);
		if (status == LUA_OK)
			break;
	}
	assert_true(failures > 2);
}

static void *update_for_ever(void *stop) {
	lua_State *L = new_reader();
	run(L, "T = query 'race' hold = {} names = {}");
	while (!__atomic_load_n((int *)stop, __ATOMIC_RELAXED)) {
		run(L, "local t = T.list for i = 1, 20 do local r = t[i] if r then hold[i] = r names[r.name] = r end end\n"
			   "update()\n"
			   "for i, r in pairs(hold) do assert(r == T.list[i] and r.v == T.v) end\n"
			   "for name, r in pairs(names) do assert(r.name == nil or r.name:sub(1, 4) == name:sub(1, 4)) end\n"
			   "for name in pairs(names) do if math.random(3) == 1 then names[name] = nil end end\n"
			   "collectgarbage('step')");
	}
	reef_vm_close(L);
	return NULL;
}

static void readers_update_while_versions_are_published(void **state) {
	(void)state;
	int stop = 0;
	pthread_t threads[4];
	publish("race", "return { v = 0, list = {} }");
	for (int i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, update_for_ever, &stop);
	for (int i = 1; i <= 200; i++) {
		char code[200];
		snprintf(code, sizeof(code),
				 "local t = {} for i = 1, %d do t[i] = { v = %d, name = 'row ' .. i .. ' of %d' } end return { v = %d, "
				 "list = t }",
				 i % 30, i, i, i);
		publish("race", code);
	}
	__atomic_store_n(&stop, 1, __ATOMIC_RELAXED);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(stat_of("race").versions, 1);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(every_reference_becomes_the_new_data),
			cmocka_unit_test(what_c_code_may_look_at_pins_the_old_version),
			cmocka_unit_test(no_collector_finds_what_an_update_left_behind),
			cmocka_unit_test(what_an_update_writes_lives_as_long_as_its_holder),
			cmocka_unit_test(a_version_lives_until_the_last_vm_lets_go),
			cmocka_unit_test(an_update_without_memory_changes_nothing),
			cmocka_unit_test(readers_update_while_versions_are_published),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
