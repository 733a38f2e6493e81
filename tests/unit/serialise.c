/* tsan: no, one thread does all of it */
/* Promises of core/host/pack.h and unpack.h: what is packed is unpacked the same, in the documented bytes, and bytes that are no values
 * are refused without harm. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

#include <lauxlib.h>
#include <lua.h>
#include <lualib.h>

#include "core/alloc.h"
#include "core/host/pack.h"
#include "core/host/unpack.h"
#include "core/message.h"

static lua_State *L;

static int set_up(void **state) {
	(void)state;
	L = luaL_newstate();
	luaL_openlibs(L);
	return 0;
}

static int tear_down(void **state) {
	(void)state;
	lua_close(L);
	return 0;
}

/* Pushes the values that the Lua expressions give; returns how many. */
static int values(const char *expressions) {
	int top = lua_gettop(L);
	lua_pushfstring(L, "return %s", expressions);
	if (luaL_dostring(L, lua_tostring(L, -1)) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
	lua_remove(L, top + 1);
	return lua_gettop(L) - top;
}

static int pack_protected(lua_State *state) {
	reef_pack_string(state, 1);
	return 1;
}

/* Replaces all that lies on the stack by its bytes. */
static void pack_all(void) {
	lua_pushcfunction(L, pack_protected);
	lua_insert(L, 1);
	if (lua_pcall(L, lua_gettop(L) - 1, 1, 0) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
}

static void expect_bytes(const char *expressions, const char *bytes, size_t size) {
	lua_settop(L, 0);
	values(expressions);
	pack_all();
	size_t got;
	const char *s = lua_tolstring(L, 1, &got);
	assert_int_equal(got, size);
	assert_memory_equal(s, bytes, size);
}

#define EXPECT(expressions, bytes) expect_bytes(expressions, bytes, sizeof(bytes) - 1)

static void every_type_has_the_bytes_of_the_format(void **state) {
	(void)state;
	EXPECT("nil", "\x00");
	EXPECT("true, false", "\x09\x01");
	EXPECT("0", "\x02");
	EXPECT("1, 255", "\x0a\x01\x0a\xff");
	EXPECT("256, 65535", "\x12\x00\x01\x12\xff\xff");
	EXPECT("65536, -1", "\x22\x00\x00\x01\x00\x22\xff\xff\xff\xff");
	EXPECT("0x7fffffff", "\x22\xff\xff\xff\x7f");
	EXPECT("0x80000000", "\x32\x00\x00\x00\x80\x00\x00\x00\x00");
	EXPECT("math.mininteger", "\x32\x00\x00\x00\x00\x00\x00\x00\x80");
	EXPECT("1.0", "\x42\x00\x00\x00\x00\x00\x00\xf0\x3f");
	EXPECT("'', 'abc'", "\x04\x1c"
						"abc");
	EXPECT("{}", "\x06\x00");
	EXPECT("{1, nil, 3}", "\x1e\x0a\x01\x00\x0a\x03\x00");
	EXPECT("{a = 'b'}", "\x06\x0c"
						"a"
						"\x0c"
						"b\x00");
}

static void lengths_of_strings_and_arrays_change_form_where_documented(void **state) {
	(void)state;
	static const struct {
		const char *expression;
		const char *head;
		size_t head_size;
	} cases[] = {
			{"('x'):rep(31)",
			 "\xfc"
			 "x",
			 2},
			{"('x'):rep(32)", "\x15\x20\x00x", 4},
			{"('x'):rep(65535)", "\x15\xff\xffx", 4},
			{"('x'):rep(65536)", "\x25\x00\x00\x01\x00x", 6},
			{"(function() local t = {} for i = 1, 30 do t[i] = 0 end return t end)()", "\xf6\x02", 2},
			{"(function() local t = {} for i = 1, 31 do t[i] = 0 end return t end)()", "\xfe\x0a\x1f\x02", 4},
			{"(function() local t = {} for i = 1, 300 do t[i] = 0 end return t end)()", "\xfe\x12\x2c\x01\x02", 5},
	};
	for (size_t i = 0; i < sizeof(cases) / sizeof(*cases); i++) {
		lua_settop(L, 0);
		values(cases[i].expression);
		pack_all();
		assert_memory_equal(lua_tostring(L, 1), cases[i].head, cases[i].head_size);
	}
}

/* Packs the values, unpacks them, and compares by Lua. */
static void expect_same(const char *expressions) {
	lua_settop(L, 0);
	values(expressions);
	pack_all();
	size_t size;
	const char *bytes = lua_tolstring(L, 1, &size);
	static const char compare[] = "local function same(a, b)\n"
								  "  if type(a) ~= type(b) or math.type(a) ~= math.type(b) then return false end\n"
								  "  if type(a) ~= 'table' then return a == b or (a ~= a and b ~= b) end\n"
								  "  for k, v in pairs(a) do if not same(v, b[k]) then return false end end\n"
								  "  for k in pairs(b) do if a[k] == nil then return false end end\n"
								  "  return true\n"
								  "end\n"
								  "local n = ...\n"
								  "local all = table.pack(select(2, ...))\n"
								  "if all.n ~= 2 * n then return false end\n"
								  "for i = 1, n do if not same(all[i], all[n + i]) then return false end end\n"
								  "return true\n";
	assert_int_equal(luaL_loadstring(L, compare), LUA_OK);
	lua_pushnil(L);
	int n = values(expressions);
	lua_pushinteger(L, n);
	lua_replace(L, 3);
	assert_int_equal(reef_unpack(L, bytes, size), n);
	if (lua_pcall(L, 2 * n + 1, 1, 0) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
	if (!lua_toboolean(L, -1))
		fail_msg("not the same afterwards: %s", expressions);
}

static void what_is_packed_comes_back_the_same(void **state) {
	(void)state;
	expect_same("nil, nil");
	expect_same("1, 1.0, -0.0, 0/0, math.huge, -math.huge, math.maxinteger, math.mininteger");
	expect_same("'', 'a\\0b', ('x'):rep(31), ('x'):rep(32), ('x'):rep(65536)");
	expect_same("{1, 2, nil, 4}, {[0] = 1, [-1] = 2, [1.5] = 3, [true] = 4}, {{}, {{}}}");
	expect_same("{1, 2, 3, a = 1, b = {2}, [100] = 3}");
	expect_same("(function() local t = {} for i = 1, 1000 do t['k' .. i] = i end return t end)()");
	expect_same("(function() local t = {} for i = 1, 1000 do t[i] = {i, tostring(i)} end return t end)()");
	expect_same("(function() local t = {} for i = 1, 32 do t['k' .. i] = i end return t end)()");
	expect_same("(function() local t = {} for i = 1, 33 do t['k' .. i] = {n = i} end return t end)()");
	expect_same("table.unpack((function() local t = {} for i = 1, 200 do t[i] = i end return t end)())");
}

static void more_than_the_scratch_buffer_is_packed(void **state) {
	(void)state;
	expect_same("('x'):rep(300000), {('y'):rep(300000), ('z'):rep(1000000)}");
	expect_same("(function() local t = {} for i = 1, 50000 do t[i] = 'value ' .. i end return t end)()");
}

static void expect_error(const char *expression, const char *text) {
	lua_settop(L, 0);
	lua_pushcfunction(L, pack_protected);
	int n = values(expression);
	assert_int_not_equal(lua_pcall(L, n, 1, 0), LUA_OK);
	if (!strstr(lua_tostring(L, -1), text))
		fail_msg("%s: %s", expression, lua_tostring(L, -1));
}

static void what_cannot_be_packed_raises(void **state) {
	(void)state;
	expect_error("print", "Unsupport type function to serialize");
	expect_error("{a = {coroutine.create(print)}}", "Unsupport type thread to serialize");
	expect_error("io.stdout", "Unsupport type userdata to serialize");
	expect_error("(function() local t = {} t.t = t return t end)()", "serialize can't pack too depth table");
}

static const char nested[] = "(function(n, last) local t = last for _ = 1, n do t = {t} end return t end)";

static void tables_nest_32_deep_and_once_more_when_empty(void **state) {
	(void)state;
	char text[300];
	snprintf(text, sizeof(text), "%s(32, 1)", nested);
	expect_same(text);
	snprintf(text, sizeof(text), "%s(32, {})", nested);
	expect_same(text);
	snprintf(text, sizeof(text), "%s(33, 1)", nested);
	expect_error(text, "serialize can't pack too depth table");
}

static void pairs_metamethod_decides_what_is_written(void **state) {
	(void)state;
	lua_settop(L, 0);
	values("setmetatable({1, 2, 3}, {__pairs = function() return next, {a = 'b'}, nil end})");
	pack_all();
	size_t size;
	const char *bytes = lua_tolstring(L, 1, &size);
	assert_int_equal(size, 6);
	assert_memory_equal(bytes,
						"\x06\x0c"
						"a\x0c"
						"b\x00",
						6);
	expect_error("{setmetatable({}, {__pairs = function() error 'by design' end})}", "by design");
}

static int pack_in_pack(lua_State *state) {
	lua_settop(state, 0);
	lua_pushliteral(state, "inner");
	reef_pack_string(state, 1);
	return 1;
}

static void an_iterator_may_pack_too(void **state) {
	(void)state;
	lua_settop(L, 0);
	lua_pushcfunction(L, pack_in_pack);
	lua_setglobal(L, "pack_in_pack");
	values("'before', setmetatable({}, {__pairs = function() return function(_, k)\n"
		   "  pack_in_pack() if not k then return 'key', 'value' end end end}), 'behind'");
	pack_all();
	size_t size;
	const char *bytes = lua_tolstring(L, 1, &size);
	assert_int_equal(reef_unpack(L, bytes, size), 3);
	assert_string_equal(lua_tostring(L, 2), "before");
	assert_string_equal(lua_tostring(L, 4), "behind");
	lua_getfield(L, 3, "key");
	assert_string_equal(lua_tostring(L, -1), "value");
}

static void nothing_is_no_bytes(void **state) {
	(void)state;
	lua_settop(L, 0);
	size_t size = 1;
	assert_null(reef_pack(L, 1, &size));
	assert_int_equal(size, 0);
	assert_int_equal(reef_unpack(L, NULL, 0), 0);
	struct reef_message *m = reef_pack_message(L, 1);
	assert_int_equal(m->size, 0);
	reef_message_free(m);
}

static void a_message_and_a_block_hold_the_same_bytes(void **state) {
	(void)state;
	lua_settop(L, 0);
	values("'kept below', 1, 'two', {3}");
	struct reef_message *m = reef_pack_message(L, 2);
	size_t size;
	void *block = reef_pack(L, 2, &size);
	assert_int_equal(lua_gettop(L), 4);
	assert_int_equal(m->size, size);
	assert_memory_equal(m->data, block, size);
	reef_message_free(m);
	reef_free(block);
}

static void expect_bad(const char *bytes, size_t size) {
	lua_settop(L, 0);
	lua_pushliteral(L, "below");
	char *exact = malloc(size ? size : 1); /* so that reading beyond it is noticed */
	memcpy(exact, bytes, size);
	assert_int_equal(reef_unpack(L, exact, size), -1);
	free(exact);
	assert_int_equal(lua_gettop(L), 2);
	assert_non_null(strstr(lua_tostring(L, 2), "Invalid serialize stream"));
}

#define BAD(bytes) expect_bad(bytes, sizeof(bytes) - 1)

static void damaged_bytes_are_refused(void **state) {
	(void)state;
	BAD("\x07");             /* no such type */
	BAD("\x1a");             /* no such number */
	BAD("\x0a");             /* cut: u8 */
	BAD("\x32\x01\x02");     /* i64 */
	BAD("\x42\x00");         /* double */
	BAD("\x03\x00\x00\x00"); /* pointer */
	BAD("\x1c"
		"ab");       /* short string */
	BAD("\x15\x05"); /* its length */
	BAD("\x15\x05\x00"
		"abcd"); /* long string */
	BAD("\x1d"); /* no such length */
	BAD("\x25\xff\xff\xff\xff"
		"abc");                                                  /* 4 GiB that are not there */
	BAD("\x06");                                                 /* table without an end */
	BAD("\x06\x0a\x01");                                         /* key without a value */
	BAD("\x06\x42\x00\x00\x00\x00\x00\x00\xf8\x7f\x0a\x01\x00"); /* NaN as a key */
	BAD("\xfe\x0a");                                             /* array without its length */
	BAD("\xfe\x0c"
		"a");                                        /* whose length is a string */
	BAD("\xfe\x22\xff\xff\xff\x7f\x00");             /* 2^31 items in one byte */
	BAD("\xfe\x22\xff\xff\xff\xff\x00");             /* -1 items */
	BAD("\xfe\x32\xff\xff\xff\xff\xff\xff\xff\x7f"); /* 2^63 - 1 */
	char deep[1000];
	memset(deep, 0x0e, sizeof(deep));
	expect_bad(deep, sizeof(deep));
}

static void every_prefix_of_a_stream_is_values_or_refused(void **state) {
	(void)state;
	lua_settop(L, 0);
	values("1, 300, -5, 2.5, 'text', ('x'):rep(40), {1, 2, {a = true, b = {}}, c = 'd'}, false");
	pack_all();
	size_t size;
	const char *bytes = lua_tolstring(L, 1, &size);
	for (size_t n = 0; n < size; n++) {
		char *cut = malloc(n ? n : 1);
		memcpy(cut, bytes, n);
		int got = reef_unpack(L, cut, n);
		free(cut);
		assert_in_range(got + 1, 0, 8);
		assert_int_equal(lua_gettop(L), 1 + (got < 0 ? 1 : got));
		lua_settop(L, 1);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test_setup_teardown(every_type_has_the_bytes_of_the_format, set_up, tear_down),
			cmocka_unit_test_setup_teardown(lengths_of_strings_and_arrays_change_form_where_documented, set_up,
											tear_down),
			cmocka_unit_test_setup_teardown(what_is_packed_comes_back_the_same, set_up, tear_down),
			cmocka_unit_test_setup_teardown(more_than_the_scratch_buffer_is_packed, set_up, tear_down),
			cmocka_unit_test_setup_teardown(what_cannot_be_packed_raises, set_up, tear_down),
			cmocka_unit_test_setup_teardown(tables_nest_32_deep_and_once_more_when_empty, set_up, tear_down),
			cmocka_unit_test_setup_teardown(pairs_metamethod_decides_what_is_written, set_up, tear_down),
			cmocka_unit_test_setup_teardown(an_iterator_may_pack_too, set_up, tear_down),
			cmocka_unit_test_setup_teardown(nothing_is_no_bytes, set_up, tear_down),
			cmocka_unit_test_setup_teardown(a_message_and_a_block_hold_the_same_bytes, set_up, tear_down),
			cmocka_unit_test_setup_teardown(damaged_bytes_are_refused, set_up, tear_down),
			cmocka_unit_test_setup_teardown(every_prefix_of_a_stream_is_values_or_refused, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
