/* A VM made from the image has the same libraries as one that opened them the stock way, and they are its own. */
#include "share_lua.h"

#include "sharetable/image.h"
#include "sharetable/names.h"

static lua_State *make(int with_image) {
	lua_State *L = luaL_newstate();
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	(with_image ? reef_image_open : luaL_openlibs)(L);
	lua_pushvalue(L, LUA_REGISTRYINDEX);
	lua_setglobal(L, "registry");
	return L;
}

/* A text that says what is where: all paths, the types there, C functions by address, metatables. */
static const char DESCRIBE[] =
		"local lines, seen = {}, {}\n"
		"local function walk(path, v)\n"
		"	local t = type(v)\n"
		"	local cfunction = t == 'function' and string.format('%p', v) or ''\n"
		"	if t == 'function' and debug.getupvalue(v, 1) then cfunction = 'closure' end\n"
		"	local plain = (t == 'string' or t == 'number' or t == 'boolean') and tostring(v) or ''\n"
		"	lines[#lines + 1] = path .. ' ' .. t .. ' ' .. cfunction .. plain\n"
		"	if seen[v] then lines[#lines] = path .. ' is ' .. seen[v] return end\n"
		"	if t == 'table' or t == 'userdata' then seen[v] = path end\n"
		"	if t == 'table' then\n"
		"		local keys = {}\n"
		"		for k in next, v do if type(k) == 'string' then keys[#keys + 1] = k end end\n"
		"		table.sort(keys)\n"
		"		for _, k in ipairs(keys) do walk(path .. '.' .. k, v[k]) end\n"
		"		for i, x in ipairs(v) do walk(path .. '.' .. i, x) end\n"
		"	end\n"
		"	if t == 'function' then\n"
		"		for i = 1, 10 do local n, u = debug.getupvalue(v, i) if not n then break end walk(path .. '^' .. i, u) "
		"end\n"
		"	end\n"
		"	if t ~= 'string' and debug.getmetatable(v) then walk(path .. '<mt>', debug.getmetatable(v)) end\n"
		"end\n"
		"walk('_G', _G) walk('string', debug.getmetatable('')) walk('loaded', package.loaded)\n"
		"walk('FILE*', registry['FILE*']) walk('_CLIBS', registry._CLIBS) walk('_PRELOAD', registry._PRELOAD)\n"
		"return table.concat(lines, '\\n')";

static void the_libraries_are_those_of_stock_lua(void **state) {
	(void)state;
	lua_State *stock = make(0), *image = make(1);
	lua_pushnil(stock);
	run_with(stock, DESCRIBE);
	lua_pushnil(image);
	run_with(image, DESCRIBE);
	assert_string_equal(lua_tostring(stock, -1), lua_tostring(image, -1));
	assert_true(lua_rawlen(stock, -1) > 5000);
	lua_close(stock);
	lua_close(image);
}

static void each_vm_may_change_its_own(void **state) {
	(void)state;
	lua_State *a = make(1), *b = make(1);
	run(a, "string.shout = function(s) return s:upper() .. '!' end math.pi = 3 print = nil _G.new = 1\n"
		   "package.path = 'nowhere' getmetatable('').__add = function() return 'sum' end io.stdout = 1\n"
		   "package.loaded.mine = 1 package.preload.x = function() return 'xx' end table.insert = nil\n"
		   "for i = 1, 100 do _G['g' .. i] = i end for k in pairs(os) do os[k] = nil end\n"
		   "assert(('a'):shout() == 'A!' and require 'x' == 'xx' and 1 + 'a' == 'sum')");
	run(b,
		"assert(not string.shout and math.pi > 3.14 and print and not new and package.path ~= 'nowhere' and not g7)\n"
		"assert(io.stdout:write('') == io.stdout and not package.loaded.mine and table.insert and os.time() > 0)\n"
		"assert(not pcall(function() return 1 + 'a' end) and not pcall(require, 'x'))");
	lua_close(a);
	lua_close(b);
}

static void they_work(void **state) {
	(void)state;
	lua_State *L = make(1);
	for (int i = 0; i < 3; i++) {
		run(L,
			"local f = assert(io.tmpfile()) f:write('12 ab\\n') f:seek('set') assert(f:read('n') == 12) f:close()\n"
			"assert(tostring(f) == 'file (closed)' and io.type(io.stdin) == 'file')\n"
			"assert(not pcall(f.read, f)) assert(tostring(io.stderr):find('^file %('))\n"
			"assert(('x'):rep(3) == 'xxx' and ('%d'):format(3) == '3' and #('abc') == 3 and '10' + 1 == 11)\n"
			"assert(select(2, pcall(require, 'not.there')):find(\"no field package.preload['not.there']\", 1, true))\n"
			"assert(math.random(10) <= 10 and utf8.char(228) == 'ä' and table.concat({ 1, 2 }) == '12')\n"
			"assert(load('return 5')() == 5 and coroutine.wrap(function() return 6 end)() == 6)\n"
			"collectgarbage() collectgarbage('generational') collectgarbage() collectgarbage('incremental')\n"
			"assert(getmetatable('').__index == string and getmetatable('').__name == nil)");
	}
	lua_close(L);
}

static void random_numbers_differ(void **state) {
	(void)state;
	lua_State *a = make(1), *b = make(1);
	lua_pushnil(a);
	run_with(a, "return math.random(0)");
	lua_pushnil(b);
	run_with(b, "return math.random(0)");
	assert_true(lua_tointeger(a, -1) != lua_tointeger(b, -1));
	lua_close(a);
	lua_close(b);
}

static size_t left;

static void *bounded(void *ud, void *p, size_t old, size_t size) {
	(void)ud;
	if (size == 0) {
		free(p);
		return NULL;
	}
	if (p == NULL || size > old) {
		if (left == 0)
			return NULL;
		left--;
	}
	return realloc(p, size);
}

static int open_all(lua_State *L) {
	lua_pushboolean(L, 1);
	lua_setfield(L, LUA_REGISTRYINDEX, "LUA_NOENV");
	reef_image_open(L);
	return 0;
}

static void a_vm_without_memory_fails_cleanly(void **state) {
	(void)state;
	int failures = 0;
	for (size_t allowed = 0;; allowed++) {
		left = allowed;
		lua_State *L = lua_newstate(bounded, NULL);
		if (L == NULL)
			continue;
		lua_pushcfunction(L, open_all);
		int status = lua_pcall(L, 0, 0, 0);
		left = SIZE_MAX;
		if (status == LUA_OK) {
			lua_close(L);
			break;
		}
		assert_int_equal(status, LUA_ERRMEM);
		failures++;
		lua_gc(L, LUA_GCCOLLECT);
		lua_close(L);
	}
	assert_true(failures > 20);
}

static int set_up(void **state) {
	(void)state;
	reef_share_library_names();
	return !reef_image_setup(luaL_openlibs);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(the_libraries_are_those_of_stock_lua),
			cmocka_unit_test(each_vm_may_change_its_own),
			cmocka_unit_test(they_work),
			cmocka_unit_test(random_numbers_differ),
			cmocka_unit_test(a_vm_without_memory_fails_cleanly),
	};
	return cmocka_run_group_tests(tests, set_up, NULL);
}
