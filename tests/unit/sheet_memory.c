/* tsan: no, one thread does all of it */
/* Memory runs out at every step of a publication, a patch and a deletion: it happens whole or not at all, the next one can
 * be made, and nothing is lost. */
#include "share_failing.h"

#include "datasheet/lua_datasheet.h"
#include "datasheet/retired.h"

static const char helpers[] = "function publish(how, tables)\n"
							  "	local plan, why = core.plan(how, tables)\n"
							  "	assert(plan ~= nil, 'somebody is publishing') assert(plan, why)\n"
							  "	assert(core.commit(plan))\n"
							  "end\n"
							  "function data(v)\n"
							  "	local t = { v = v, list = {}, ring = { v = v }, [1.5] = ('long'):rep(20) .. v }\n"
							  "	for i = 1, 20 do t.list[i] = { v = v, name = 'row ' .. i .. ' of ' .. v } end\n"
							  "	t.ring.ring, t.ring.up, t.list[v] = t.ring, t, { only = 'in ' .. v }\n"
							  "	t['new in ' .. v] = { { 'made in ' .. v } }\n"
							  "	t.ring['ring of ' .. v] = { t.ring }\n"
							  "	return t\n"
							  "end\n"
							  "function check(v)\n"
							  "	local t = core.query 'sheet'\n"
							  "	assert(t.v == v and t.list[10].v == v and t.list[11].name == 'row 11 of ' .. v)\n"
							  "	assert(t.ring.ring == t.ring and t.ring.up == t and t.ring.v == v)\n"
							  "	assert(t.list[v].only == 'in ' .. v and t['new in ' .. v][1][1] == 'made in ' .. v)\n"
							  "	assert(t[1.5] == ('long'):rep(20) .. v and not core.exists 'no sheet')\n"
							  "end\n";

static lua_State *new_publisher(void) {
	lua_State *L = new_failing_vm("core", reef_datasheet_open);
	run(L, helpers);
	return L;
}

/* What a reader sees. It ends before the next publication, so what is removed can be freed. */
static void check(const char *code) {
	lua_State *L = new_publisher();
	run(L, code);
	reef_vm_close(L);
}

static int go(lua_State *L) {
	return call_global(L, "go");
}

static void first_again(lua_State *L) {
	(void)L;
	lua_State *other = new_publisher();
	run(other, "publish('publish', { sheet = data(1) })");
	reef_vm_close(other);
	check("check(1)");
}

static void to_publish(lua_State *L) {
	first_again(L);
	run(L, "new = data(2) function go() publish('publish', { sheet = new, other = new }) end");
}

static void still_first(lua_State *L) {
	(void)L;
	check("check(1)");
}

static void second(lua_State *L) {
	check("check(2) assert(core.query('other').v == 2)");
	run(L, "publish('delete', { other = true })");
	check("check(2) assert(not core.exists 'other')");
	reef_retired_collect(true);
}

static void publications_happen_whole_or_not_at_all(void **state) {
	(void)state;
	at_every_step(&(struct attempt){new_publisher, to_publish, go, still_first, second});
}

static void to_patch(lua_State *L) {
	first_again(L);
	run(L, "new = { v = 2, list = { [3] = { name = 'patched' }, [4] = core.nothing }, ring = core.nothing, more = { {} "
		   "} }\n"
		   "function go() publish('patch', { sheet = new }) end");
}

static void patched(lua_State *L) {
	(void)L;
	check("local t = core.query 'sheet' assert(t.v == 2 and t.list[3].name == 'patched' and t.list[3].v == 1)\n"
		  "assert(t.list[4] == nil and t.ring == nil and #t.more[1] == 0 and t.list[20].v == 1)");
}

static void patches_happen_whole_or_not_at_all(void **state) {
	(void)state;
	at_every_step(&(struct attempt){new_publisher, to_patch, go, still_first, patched});
}

static void to_delete(lua_State *L) {
	first_again(L);
	run(L, "function go() publish('delete', { sheet = true }) end");
}

static void deleted(lua_State *L) {
	(void)L;
	check("assert(not core.exists 'sheet' and core.query 'sheet' == nil)");
}

static void deletions_happen_whole_or_not_at_all(void **state) {
	(void)state;
	at_every_step(&(struct attempt){new_publisher, to_delete, go, still_first, deleted});
}

static void nothing_is_lost(void **state) {
	(void)state;
	size_t rows, strings, bytes;
	for (int i = 0; i < 3; i++)
		reef_retired_collect(true);
	reef_row_stat(&rows, &strings, &bytes);
	assert_int_equal(rows, 1); /* the metatable of removed rows */
	assert_int_equal(strings, 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(publications_happen_whole_or_not_at_all),
			cmocka_unit_test(patches_happen_whole_or_not_at_all),
			cmocka_unit_test(deletions_happen_whole_or_not_at_all),
			cmocka_unit_test(nothing_is_lost),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
