/* Long lists, which are compared by two: random ones, changed at random, are published again and again, with memory running
 * out now and then. What readers see is what was published last, and a table is one row wherever it is found.
 * REEF_TEST_SEED replays a run, REEF_TEST_ROUNDS says how many publications. */
#include "share_failing.h"

#include <limits.h>
#include <time.h>

#include "core/scheduler.h"
#include "datasheet/beside.h"
#include "datasheet/lua_datasheet.h"
#include "datasheet/retired.h"

static long seed, rounds;

static const char model[] =
		"local random = math.random\n"
		"function publish()\n"
		"	local plan, why = core.plan('publish', { sheet = list })\n"
		"	assert(plan ~= nil, 'somebody is publishing') assert(plan, why)\n"
		"	assert(core.commit(plan))\n"
		"end\n"
		"local function new(i)\n"
		"	local t = { id = i, name = 'row ' .. i, kind = 'kind ' .. i % 7, rate = i / 8, flag = i % 2 == 0 }\n"
		"	if random(50) == 1 then t.text = ('long '):rep(12) .. i end\n"
		"	return t\n"
		"end\n"
		"local function copy(t)\n"
		"	local c = {}\n"
		"	for k, v in pairs(t) do c[k] = v end\n"
		"	return c\n"
		"end\n"
		"local changes = {\n"
		"	function(i) list[i].id = random(100) end,\n"
		"	function(i) list[i].name = 'another ' .. random(1000) end,\n"
		"	function(i) list[i].name, list[i].more = nil, random(9) end,\n"
		"	function(i) list[i].rate = 1.0 list[i].id = 1 end,\n"
		"	function(i) list[i].rate = 1 list[i].id = 1.0 end,\n"
		"	function(i) list[i].text = ('long '):rep(random(8, 12)) end,\n"
		"	function(i) list[i] = copy(list[i]) end,\n"
		"	function(i) list[i] = list[random(#list)] end,\n"
		"	function(i) local j = random(#list) list[i], list[j] = list[j], list[i] end,\n"
		"	function(i) list[i].sub = { i, list[random(#list)] } end,\n"
		"	function(i) list[i] = { random(9), random(9) } end,\n"
		"	function(i) if random(20) == 1 then list[i] = random(9) end end,\n"
		"	function() list[#list + 1] = new(#list + 1) end,\n"
		"	function() if #list > 520 then list[#list] = nil end end,\n"
		"}\n"
		"function vary(seed)\n"
		"	math.randomseed(seed)\n"
		"	if not list or random(12) == 1 then\n"
		"		list = {}\n"
		"		for i = 1, random(500, 4000) do list[i] = new(i) end\n"
		"	elseif random(6) == 1 then\n"
		"		for i = 1, #list do list[i] = type(list[i]) == 'table' and copy(list[i]) or list[i] end\n"
		"	end\n"
		"	for _ = 1, random(8) == 1 and 1000 or random(0, 8) do\n"
		"		local i = random(#list)\n"
		"		if type(list[i]) ~= 'table' then list[i] = new(i) end\n"
		"		changes[random(#changes)](i)\n"
		"	end\n"
		"end\n"
		/* The rows of the tables that were met; so a row that is one's and another's, too, is seen. */
		"local function see(v, row, rows, tables)\n"
		"	if type(v) ~= 'table' then\n"
		"		assert(v == row and math.type(v) == math.type(row))\n"
		"		return\n"
		"	end\n"
		"	assert(type(row) == 'table' and (rows[v] or row) == row and (tables[row] or v) == v)\n"
		"	if rows[v] then return end\n"
		"	rows[v], tables[row] = row, v\n"
		"	for k, x in pairs(v) do see(x, row[k], rows, tables) end\n"
		"	for k in pairs(row) do assert(v[k] ~= nil) end\n"
		"end\n"
		"local function deep(t, copies)\n"
		"	if type(t) ~= 'table' then return t end\n"
		"	local c = copies[t]\n"
		"	if not c then\n"
		"		c = {}\n"
		"		copies[t] = c\n"
		"		for k, v in pairs(t) do c[k] = deep(v, copies) end\n"
		"	end\n"
		"	return c\n"
		"end\n"
		"function published() last = deep(list, {}) end\n"
		"function check() see(last, core.query 'sheet', {}, {}) end\n";

static bool one_in(long n) {
	return random() % n == 0;
}

static bool some_fail(size_t size) {
	(void)size;
	return one_in(20);
}

static void what_is_published_is_what_was_given(void **state) {
	(void)state;
	size_t before = reef_beside_compared();
	int refused = 0;
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	luaL_requiref(L, "core", reef_datasheet_open, 1);
	run(L, model);
	for (long i = 0; i < rounds; i++) {
		lua_pushinteger(L, random());
		run_with(L, "vary(...)");
		reef_beside_least = one_in(4) ? UINT_MAX : 1;
		reef_alloc_fails = i > 0 && one_in(3) ? some_fail : NULL;
		lua_getglobal(L, "publish");
		int status = lua_pcall(L, 0, 0, 0);
		reef_alloc_fails = NULL;
		if (status != LUA_OK) {
			refused++;
			check_message(L, i);
			run(L, "check() publish()");
		}
		lua_settop(L, 0);
		run(L, "published() check()");
	}
	reef_vm_close(L);
	assert_true(refused > 0);
	assert_true(reef_beside_compared() > before);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_published_is_what_was_given)};
	const char *preset = getenv("REEF_TEST_PRESET");
	bool sanitizer = preset != NULL && (strcmp(preset, "asan") == 0 || strcmp(preset, "tsan") == 0);
	const char *text = getenv("REEF_TEST_SEED");
	seed = text != NULL ? atol(text) : (long)time(NULL);
	text = getenv("REEF_TEST_ROUNDS");
	rounds = text != NULL ? atol(text) : sanitizer ? 25 : 300;
	printf("seed %ld\n", seed);
	srandom((unsigned)seed);
	reef_scheduler_init(1);
	int failed = cmocka_run_group_tests(tests, NULL, NULL);
	reef_scheduler_fini();
	return failed;
}
