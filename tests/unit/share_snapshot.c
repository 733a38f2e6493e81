/* Frozen tables read like private ones, in any VM, under any collector, and cannot be written. Their pages are read-only
 * throughout (arenas are sealed), so whatever writes to them ends the test. */
#include "share_lua.h"

#include <pthread.h>

#include "sharetable/overlay/pool.h"

static int set_i(lua_State *L) {
	lua_pushinteger(L, 1);
	lua_rawseti(L, 1, 2);
	return 0;
}

static int set_p(lua_State *L) {
	lua_pushinteger(L, 1);
	lua_rawsetp(L, 1, L);
	return 0;
}

static int seti(lua_State *L) {
	lua_pushinteger(L, 1);
	lua_seti(L, 1, 77777);
	return 0;
}

static int setfield(lua_State *L) {
	lua_pushinteger(L, 1);
	lua_setfield(L, 1, "name");
	return 0;
}

static int settable(lua_State *L) {
	lua_pushstring(L, "name");
	lua_pushinteger(L, 1);
	lua_settable(L, 1);
	return 0;
}

static int set_ref(lua_State *L) {
	lua_pushinteger(L, 1);
	luaL_ref(L, 1);
	return 0;
}

static int set_nil(lua_State *L) {
	lua_pushnil(L);
	lua_rawseti(L, 1, 1);
	return 0;
}

static void check_c_api(lua_State *L, const struct reef_snapshot *s) {
	static const lua_CFunction ways[] = {set_i, set_p, seti, setfield, settable, set_ref, set_nil};
	for (size_t i = 0; i < sizeof(ways) / sizeof(*ways); i++) {
		lua_pushcfunction(L, ways[i]);
		reef_snapshot_push(L, s);
		lua_getfield(L, -1, "list");
		lua_geti(L, -1, 1);
		lua_replace(L, -3);
		lua_pop(L, 1);
		assert_int_not_equal(lua_pcall(L, 1, 0, 0), LUA_OK);
		assert_non_null(strstr(lua_tostring(L, -1), "shared table"));
		lua_pop(L, 1);
	}
}

static struct reef_snapshot *data;

static int load_data(void **state) {
	(void)state;
	data = frozen_file("data", "data.lua");
	return 0;
}

static int drop_data(void **state) {
	(void)state;
	reef_snapshot_delete(data);
	return 0;
}

static void a_frozen_table_reads_like_a_private_one(void **state) {
	(void)state;
	lua_State *L = new_vm();
	run_file(L, data, "read.lua");
	lua_gc(L, LUA_GCGEN, 0, 0);
	run_file(L, data, "read.lua");
	lua_gc(L, LUA_GCINC, 0, 0, 0);
	run_file(L, data, "read.lua");
	lua_close(L);
}

static void every_way_to_write_is_refused_with_the_place(void **state) {
	(void)state;
	lua_State *L = new_vm();
	run_file(L, data, "write.lua");
	check_c_api(L, data);
	run_file(L, data, "read.lua");
	lua_close(L);
}

static void what_cannot_be_shared_is_named_with_its_path(void **state) {
	(void)state;
	static const char *const cases[][2] = {
			{"return { a = { b = { io.stdout } } }", "cannot share a userdata at 'x.a.b[1]'"},
			{"return { c = coroutine.create(print) }", "cannot share a coroutine at 'x.c'"},
			{"local up = 1 return { f = function() return up end }", "a Lua function with upvalues at 'x.f'"},
			{"return { x = { y = string.gmatch('a', 'b') } }", "a C function with upvalues at 'x.x.y'"},
			{"return { w = setmetatable({}, { __mode = 'k' }) }", "a weak table at 'x.w'"},
			{"return { w = setmetatable({}, { __gc = 1 }) }", "a table with a finalizer at 'x.w'"},
			{"return { [io.stdout] = 1 }", "a userdata at 'x[<userdata>]'"},
			{"local u = 1 return { m = setmetatable({}, { __index = function() return u end }) }",
			 "upvalues at 'x.m.<metatable>.__index'"},
			{"local r = {} local t = r for i = 1, 100000 do t.a = {} t = t.a end t.x = io.stdout return r", "x.a.a.a"},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		lua_State *L = new_vm();
		char why[512];
		lua_pushnil(L);
		run_with(L, cases[i][0]);
		assert_null(reef_snapshot_table(L, -1, "x", why, sizeof(why)));
		if (strstr(why, cases[i][1]) == NULL)
			fail_msg("%s, not %s", why, cases[i][1]);
		lua_close(L);
	}
}

static void a_vm_older_than_the_strings_agrees_with_them(void **state) {
	(void)state;
	lua_State *L = new_vm();
	run(L, "keep = { 'zalpha', 'zbeta', 'zgamma', '__index', '__mode', 'zitem', 'print', 'zid', 'zname' }\n"
		   "own = { zalpha = 1, zbeta = 2, zgamma = 3, zid = 4, zname = 5 }\n"
		   "switch = function(s) if s == 'zalpha' then return 1 elseif s == 'zbeta' then return 2 end return 0 end\n");
	struct reef_snapshot *s =
			frozen("old", "local mt = { __index = { q = 1 } }\n"
						  "return { zalpha = 'zbeta', zbeta = 'zgamma', mt = mt, o = setmetatable({}, mt),\n"
						  "	dict = (function() local t = {} for i = 1, 200 do t['w' .. i] = 'zalpha' end t.zalpha = "
						  "'zname' return t end)() }\n");
	run_on(L, s,
		   "local T = ...\n"
		   "assert(T.zalpha == 'zbeta' and T.zalpha == keep[2] and own[T.zalpha] == 2 and switch(T.zalpha) == 2)\n"
		   "assert(T[keep[1]] == 'zbeta' and T.dict[keep[1]] == keep[9] and switch(T.dict.w7) == 1)\n"
		   "assert(next(T, keep[1]) ~= nil or next(T, keep[2]) ~= nil) next(own, T.zalpha)\n"
		   "for k in pairs(T.dict) do next(T.dict, k) end\n"
		   "local m = {}\n"
		   "for k, v in pairs(T) do m[k] = v end\n"
		   "assert(m[keep[1]] == 'zbeta')\n"
		   "m[T.zbeta] = 3\n"
		   "m[keep[3]] = nil\n"
		   "assert(m[T.zbeta] == nil)\n"
		   "local t = {}\n"
		   "t[T.zalpha] = 1 t[keep[2]] = 2\n"
		   "local n = 0\n"
		   "for _ in pairs(t) do n = n + 1 end\n"
		   "assert(n == 1 and t[keep[2]] == 2 and rawequal(T.zalpha, keep[2]))\n"
		   "assert(T.o.q == 1 and setmetatable({}, T.mt).q == 1)\n"
		   "assert(load('local zalpha = 1 return zalpha')() == 1)\n"
		   "-- strings stored as keys, erased, collected, asked for again: nobody may look at a dead one\n"
		   "for round = 1, 20 do\n"
		   "	local d = {}\n"
		   "	for i = 1, 100 do d[T.dict['w' .. i] .. i] = i d['w' .. i] = {} end\n"
		   "	for k in pairs(d) do d[k] = nil end\n"
		   "	collectgarbage('step') collectgarbage()\n"
		   "	for i = 1, 100 do assert(d['w' .. i] == nil and d['zalpha' .. i] == nil) end\n"
		   "end\n");
	lua_close(L);
	reef_snapshot_delete(s);
}

static void shared_parts_of_the_source_are_copied_again(void **state) {
	(void)state;
	struct reef_snapshot *first =
			frozen("first", "return { sub = { name = 'nnn' }, f = function() return 'fff' end, l = ('x'):rep(99) }");
	lua_State *L = new_vm();
	char why[256];
	reef_snapshot_push(L, first);
	run_with(L, "local F = ... return { a = F.sub, b = F.sub, f = F.f, l = F.l, [F.sub.name] = F.sub.name }");
	struct reef_snapshot *second = reef_snapshot_table(L, -1, "second", why, sizeof(why));
	assert_non_null(second);
	lua_close(L);
	reef_snapshot_delete(first);
	L = new_vm();
	run_on(L, second,
		   "local S = ... collectgarbage() assert(S.a.name == 'nnn' and rawequal(S.a, S.b) and S.f() == 'fff')"
		   "assert(S.l == ('x'):rep(99) and S.nnn == 'nnn')");
	lua_close(L);
	reef_snapshot_delete(second);
}

static void code_is_shared_and_state_is_not(void **state) {
	(void)state;
	lua_State *L = new_vm();
	char why[256];
	assert_int_equal(luaL_loadfile(L, unit_path("module.lua")), LUA_OK);
	struct reef_snapshot *code = reef_snapshot_code(L, -1, "module.lua", why, sizeof(why));
	assert_non_null(code);
	lua_close(L);
	lua_State *vms[2] = {new_vm(), new_vm()};
	for (int round = 0; round < 3; round++) {
		for (int i = 0; i < 2; i++) {
			reef_snapshot_push(vms[i], code);
			lua_call(vms[i], 0, 1);
			run_with(vms[i],
					 "local M = ...\n"
					 "assert(M.new(1):add(2).v == 3 and M.count() == 1 and M.nested() == 6 and M.global() == 2)\n"
					 "assert(M.const() == 'a string constant that is longer than forty characters, ' .. 'so not a "
					 "short one')\n"
					 "assert(M.vararg(1, nil, 3) == 3)\n"
					 "local ok, e = xpcall(M.fail, debug.traceback, M)\n"
					 "assert(not ok and e:find('module.lua:6: failed on purpose', 1, true))\n"
					 "local n = 0\n"
					 "debug.sethook(function() n = n + 1 debug.getinfo(2, 'nSlutrfL') debug.getlocal(2, 1) end, 'crl', "
					 "1)\n"
					 "M.new(1):add(2)\n"
					 "debug.sethook()\n"
					 "assert(n > 3 and #string.dump(M.add) > 50 and debug.getinfo(M.add, 'S').linedefined == 5)\n"
					 "collectgarbage('generational') collectgarbage() collectgarbage('incremental') collectgarbage()\n"
					 "assert(debug.setupvalue(M.count, 1, 9) == 'counter' and M.count() == 9)\n");
			lua_pop(vms[i], 1);
		}
	}
	lua_close(vms[0]);
	lua_close(vms[1]);
	reef_snapshot_delete(code);
}

/* Under ThreadSanitizer one thread is generational and two are not. */
#ifdef __SANITIZE_THREAD__
enum { READS = 1 };
#else
enum { READS = 2 };
#endif

static void *read_with_all_collectors(void *arg) {
	lua_State *L = new_vm();
	for (int round = 0; round < READS; round++) {
		if ((round + (int)(intptr_t)arg) % 2)
			lua_gc(L, LUA_GCGEN, 0, 0);
		else
			lua_gc(L, LUA_GCINC, 50, 400, 0);
		run_file(L, data, "read.lua");
		run_file(L, data, "write.lua");
	}
	lua_close(L);
	return NULL;
}

static void *freeze_meanwhile(void *arg) {
	(void)arg;
	for (int i = 0; i < 20; i++) {
		char code[200];
		snprintf(code, sizeof(code),
				 "local t = {} for i = 1, 60 do t['field_%d_' .. i] = 'value' .. i end return { t, t }", i);
		struct reef_snapshot *s = frozen("meanwhile", code);
		lua_State *L = new_vm();
		run_on(L, s, "local t = ... for k, v in pairs(t[1]) do assert(k:match('%d+$') == v:match('%d+$')) end");
		lua_close(L);
		reef_snapshot_delete(s);
	}
	return NULL;
}

static void many_threads_read_while_others_freeze(void **state) {
	(void)state;
	pthread_t threads[4];
	reef_pool_protect();
	for (intptr_t i = 0; i < 4; i++)
		pthread_create(&threads[i], NULL, i < 3 ? read_with_all_collectors : freeze_meanwhile, (void *)i);
	for (int i = 0; i < 4; i++)
		pthread_join(threads[i], NULL);
}

static void the_pool_takes_identifiers_only(void **state) {
	(void)state;
	size_t before, after, bytes;
	reef_pool_stat(&before, &bytes);
	reef_snapshot_delete(
			frozen("data", "return { ['not an identifier'] = 1, ['9x'] = 2, [''] = 3, x = 'neither a value' }"));
	reef_pool_stat(&after, &bytes);
	assert_true(after - before <= 1);
	reef_snapshot_delete(frozen("data", "return { fresh_one = 1, fresh_two = 2 }"));
	reef_pool_stat(&before, &bytes);
	assert_int_equal(before, after + 2);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_frozen_table_reads_like_a_private_one),
			cmocka_unit_test(every_way_to_write_is_refused_with_the_place),
			cmocka_unit_test(what_cannot_be_shared_is_named_with_its_path),
			cmocka_unit_test(a_vm_older_than_the_strings_agrees_with_them),
			cmocka_unit_test(shared_parts_of_the_source_are_copied_again),
			cmocka_unit_test(code_is_shared_and_state_is_not),
			cmocka_unit_test(many_threads_read_while_others_freeze),
			cmocka_unit_test(the_pool_takes_identifiers_only),
	};
	return cmocka_run_group_tests(tests, load_data, drop_data);
}
