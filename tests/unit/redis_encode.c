/* tsan: no, one thread does all of it */
/* Commands as bytes: what Lua values become, and what is refused before anything is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>
#include <lauxlib.h>
#include <lualib.h>

#include "core/alloc.h"
#include "drivers/redis/encode.h"
#include "drivers/redis/harmless.h"
#include "drivers/redis/special.h"

/* Lua: encode(...) -> the bytes of the arguments; a single table holds them. */
static int encode(lua_State *L) {
	struct reef_output *output = lua_touserdata(L, lua_upvalueindex(1));
	int last = lua_gettop(L);
	if (last == 1 && lua_istable(L, 1)) {
		struct reef_redis_list list;
		do {
			reef_redis_list_begin(L, &list, lua_gettop(L));
			reef_output_begin(output);
			reef_redis_put_count(L, output, (size_t)list.count);
		} while (!reef_redis_put_list(L, output, &list, "TEST"));
	} else {
		do {
			reef_output_begin(output);
			reef_redis_put_count(L, output, (size_t)last);
		} while (!reef_redis_put_stack(L, output, 1, last, "TEST"));
	}
	size_t size = reef_output_commit(output);
	lua_pushlstring(L, output->bytes + output->size - size, size);
	return 1;
}

static int setup(void **state) {
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	lua_pushlightuserdata(L, calloc(1, sizeof(struct reef_output)));
	lua_pushvalue(L, -1);
	lua_setglobal(L, "output");
	lua_pushcclosure(L, encode, 1);
	lua_setglobal(L, "encode");
	*state = L;
	return 0;
}

static int teardown(void **state) {
	lua_getglobal(*state, "output");
	struct reef_output *output = lua_touserdata(*state, -1);
	reef_free(output->bytes);
	free(output);
	lua_close(*state);
	return 0;
}

static void run(lua_State *L, const char *code) {
	if (luaL_dostring(L, code))
		fail_msg("%s", lua_tostring(L, -1));
}

static void values_are_sent_as_tostring_prints_them(void **state) {
	run(*state, "local values = {'', 'text', 'nul\\0crlf\\r\\n', 0, 1, -1, 10, 99, 100, 123456789, math.maxinteger,"
				" math.mininteger, 1.0, -0.0, 1.5, 1e15, 1e16, 1e100, 0.1, 1/0, -1/0, true, false,"
				" string.rep('x', 100000)}\n"
				"for _, v in ipairs(values) do\n"
				"  local text = tostring(v)\n"
				"  local want = '*1\\r\\n$' .. #text .. '\\r\\n' .. text .. '\\r\\n'\n"
				"  assert(encode(v) == want, text .. ' became ' .. encode(v))\n"
				"  assert(encode{v} == want)\n"
				"end");
}

static void floats_come_back_as_they_were(void **state) {
	run(*state, "local function text(v) return encode(v):match '([^\\n]*)\\r\\n$' end\n"
				"assert(text(2^53) == '9007199254740992.0' and text(1700000000.123456) == '1700000000.123456')\n"
				"assert(text(0.3) == '0.3' and text(0.1 + 0.2) == '0.30000000000000004' and text(1e23) == '1e+23')\n"
				"math.randomseed(7)\n"
				"for i = 1, 20000 do\n"
				"  local v = string.unpack('d', string.pack('j', math.random(0)))\n"
				"  if i % 2 == 0 then v = math.random(-1000000, 1000000) / 10 ^ math.random(0, 9) end\n"
				"  if i % 4 == 1 then v = math.random(-150000000000000, 150000000000000) / 1e6 end\n"
				"  if v == v then\n"
				"    local s = text(v)\n"
				"    assert(tonumber(s) == v or s == tostring(v) and v - v ~= 0, s)\n"
				"    for digits = 1, 17 do\n"
				"      local shorter = ('%%.%dg'):format(digits):format(v)\n"
				"      if tonumber(shorter) == v then assert(#s <= math.max(#shorter, #tostring(v)) + 2, s) break end\n"
				"    end\n"
				"  end\n"
				"end");
}

static void what_has_no_text_is_refused_by_type_and_place(void **state) {
	run(*state, "local values = {table = {}, ['function'] = print, userdata = io.stdout,"
				" thread = coroutine.create(print)}\n"
				"values[1] = setmetatable({}, {__name = 'thing'})\n"
				"for kind, v in pairs(values) do\n"
				"  kind = kind == 1 and 'table' or kind\n"
				"  for place = 1, 3 do\n"
				"    local args = {'a', 'b', 'c'}\n"
				"    args[place] = v\n"
				"    local want = 'redis TEST: argument ' .. place .. ' is a ' .. kind .. ' (nothing was sent)'\n"
				"    local ok, err = pcall(encode, table.unpack(args))\n"
				"    assert(not ok and err:find(want, 1, true), err)\n"
				"    ok, err = pcall(encode, args)\n"
				"    assert(not ok and err:find(want, 1, true), err)\n"
				"    ok, err = pcall(encode, setmetatable({n = 3}, {__index = args}))\n"
				"    assert(not ok and err:find(want, 1, true), err)\n"
				"  end\n"
				"end");
}

static void objects_become_text_and_the_callers_table_stays(void **state) {
	run(*state, "local calls = 0\n"
				"local o = setmetatable({}, {__tostring = function() calls = calls + 1; return 'object' end})\n"
				"assert(encode('a', o, 'b') == '*3\\r\\n$1\\r\\na\\r\\n$6\\r\\nobject\\r\\n$1\\r\\nb\\r\\n')\n"
				"assert(calls == 1)\n"
				"local list = {'a', o, 7}\n"
				"assert(encode(list) == '*3\\r\\n$1\\r\\na\\r\\n$6\\r\\nobject\\r\\n$1\\r\\n7\\r\\n')\n"
				"assert(calls == 2 and list[2] == o)\n"
				"local proxy = setmetatable({}, {__index = function(_, i) return 'v' .. i end,"
				" __len = function() return 2 end})\n"
				"assert(encode(proxy) == '*2\\r\\n$2\\r\\nv1\\r\\n$2\\r\\nv2\\r\\n')\n");
}

static void a_list_is_as_long_as_its_n_says(void **state) {
	run(*state, "assert(encode{'a', 'b', n = 1} == '*1\\r\\n$1\\r\\na\\r\\n')\n"
				"assert(encode{} == '*0\\r\\n')\n"
				"local ok, err = pcall(encode, {'a', n = 2})\n"
				"assert(not ok and err:find('argument 2 is nil', 1, true), err)");
}

static void nil_is_refused_by_name_and_place(void **state) {
	run(*state, "for place = 1, 4 do\n"
				"  local args = {'a', 'b', 'c', 'd'}\n"
				"  args[place] = nil\n"
				"  local ok, err = pcall(encode, table.unpack(args, 1, 4))\n"
				"  assert(not ok and err:find('redis TEST: argument ' .. place .. ' is nil (nothing was sent)', 1, "
				"true), err)\n"
				"end\n"
				"assert(not pcall(encode, {'a', nil, 'c'}))");
}

static void an_error_in_tostring_is_the_callers(void **state) {
	run(*state, "local bad = setmetatable({}, {__tostring = function() error('mine', 0) end})\n"
				"local ok, err = pcall(encode, 'a', bad)\n"
				"assert(not ok and err == 'mine')\n"
				"ok, err = pcall(encode, {'a', bad})\n"
				"assert(not ok and err == 'mine')");
}

static void long_lists_need_no_stack(void **state) {
	run(*state, "local list = {}\n"
				"for i = 1, 200000 do list[i] = i end\n"
				"local bytes = encode(list)\n"
				"assert(bytes:sub(1, 9) == '*200000\\r\\n')\n"
				"assert(bytes:sub(-12) == '$6\\r\\n200000\\r\\n')\n");
}

static void special_commands_are_known_in_any_case(void **state) {
	(void)state;
	assert_int_equal(reef_redis_classify("BLPOP", 5), REEF_REDIS_BLOCKING);
	assert_int_equal(reef_redis_classify("bLpOp", 5), REEF_REDIS_BLOCKING);
	assert_int_equal(reef_redis_classify("xreadgroup", 10), REEF_REDIS_MAYBE_BLOCK);
	assert_int_equal(reef_redis_classify("multi", 5), REEF_REDIS_MULTI);
	assert_int_equal(reef_redis_classify("PSUBSCRIBE", 10), REEF_REDIS_STREAM);
	assert_int_equal(reef_redis_classify("get", 3), REEF_REDIS_ORDINARY);
	assert_int_equal(reef_redis_classify("blpo", 4), REEF_REDIS_ORDINARY);
	assert_int_equal(reef_redis_classify("", 0), REEF_REDIS_ORDINARY);
	assert_int_equal(reef_redis_classify("a name that is far too long", 27), REEF_REDIS_ORDINARY);
	assert_int_equal(reef_redis_classify("Client", 6), REEF_REDIS_CONTAINER);
	assert_int_equal(reef_redis_classify_part("client", "SetName"), REEF_REDIS_STATE);
	assert_int_equal(reef_redis_classify_part("CLIENT", "reply"), REEF_REDIS_STREAM);
	assert_int_equal(reef_redis_classify_part("CLIENT", "list"), REEF_REDIS_ORDINARY);
	assert_int_equal(reef_redis_classify_part("script", "debug"), REEF_REDIS_STREAM);
}

static void harmless_is_what_is_known_to_be(void **state) {
	(void)state;
	assert_true(reef_redis_is_harmless("get", NULL) && reef_redis_is_harmless("ZUnionStore", "k"));
	assert_true(reef_redis_is_harmless("acl", NULL) && reef_redis_is_harmless("zunionstore", NULL));
	assert_true(reef_redis_is_harmless("client", "Info") && reef_redis_is_harmless("SCRIPT", "load"));
	assert_false(reef_redis_is_harmless("client", "setname") || reef_redis_is_harmless("client", NULL));
	assert_false(reef_redis_is_harmless("select", "1") || reef_redis_is_harmless("JSON.SET", "k"));
	assert_false(reef_redis_is_harmless("", NULL));
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test_setup_teardown(values_are_sent_as_tostring_prints_them, setup, teardown),
			cmocka_unit_test_setup_teardown(floats_come_back_as_they_were, setup, teardown),
			cmocka_unit_test_setup_teardown(what_has_no_text_is_refused_by_type_and_place, setup, teardown),
			cmocka_unit_test_setup_teardown(objects_become_text_and_the_callers_table_stays, setup, teardown),
			cmocka_unit_test_setup_teardown(a_list_is_as_long_as_its_n_says, setup, teardown),
			cmocka_unit_test_setup_teardown(nil_is_refused_by_name_and_place, setup, teardown),
			cmocka_unit_test_setup_teardown(an_error_in_tostring_is_the_callers, setup, teardown),
			cmocka_unit_test_setup_teardown(long_lists_need_no_stack, setup, teardown),
			cmocka_unit_test(harmless_is_what_is_known_to_be),
			cmocka_unit_test(special_commands_are_known_in_any_case),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
