/* tsan: no, one thread does all of it */
/* Random trees: shared ones read like private ones through every operation, and an update leaves exactly the new data
 * everywhere in a VM and nothing of the old. REEF_TEST_SEED replays a run, REEF_TEST_ROUNDS says how many trees. */
#include "share_lua.h"

#include <errno.h>
#include <sys/mman.h>
#include <unistd.h>

#include "sharetable/versions.h"
#include "sharetable/vm_close.h"

static long seed, rounds;

static int l_light(lua_State *L) {
	static const char places[4];
	lua_pushlightuserdata(L, (void *)&places[lua_tointeger(L, 1)]);
	return 1;
}

static int l_query(lua_State *L) {
	if (!reef_versions_query(L, luaL_checkstring(L, 1)))
		lua_pushnil(L);
	return 1;
}

static bool is_mapped(const char *address) {
	uintptr_t page = (uintptr_t)strtoull(address, NULL, 16) & ~(uintptr_t)(sysconf(_SC_PAGESIZE) - 1);
	return msync((void *)page, 1, MS_ASYNC) == 0 || errno != ENOMEM;
}

/* update(name, addresses) -> how many of these are mapped directly afterwards, before others may take the place */
static int l_update(lua_State *L) {
	lua_Integer mapped = 0;
	if (!reef_versions_update(L, luaL_checkstring(L, 1)))
		return luaL_error(L, "not enough memory");
	for (lua_Integer i = 1; lua_rawgeti(L, 2, i) == LUA_TSTRING; i++, lua_pop(L, 1))
		mapped += is_mapped(lua_tostring(L, -1));
	lua_pushinteger(L, mapped);
	return 1;
}

static int l_publish_table(lua_State *L) {
	char why[512];
	struct reef_snapshot *s = reef_snapshot_table(L, 2, luaL_checkstring(L, 1), why, sizeof(why));
	if (s == NULL)
		return luaL_error(L, "%s", why);
	return reef_versions_publish(s) ? 0 : luaL_error(L, "not enough memory");
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
	return 1;
}

static int l_user_value(lua_State *L) {
	lua_getiuservalue(L, 1, 1);
	return 1;
}

static void count_old(void *ud, const struct reef_version_stat *stat) {
	struct reef_version_stat *sum = ud;
	if (!stat->current) {
		sum->number++;
		sum->left += stat->left;
		sum->pinned_by = stat->pinned_by;
	}
}

static int l_old(lua_State *L) {
	struct reef_version_stat sum = {0};
	reef_versions_stat(count_old, &sum);
	lua_pushinteger(L, (lua_Integer)sum.number);
	lua_pushinteger(L, (lua_Integer)sum.left);
	lua_pushstring(L, sum.pinned_by);
	return 3;
}

static lua_State *new_reader(void) {
	static const luaL_Reg functions[] = {{"light", l_light},
										 {"query", l_query},
										 {"update", l_update},
										 {"publish_table", l_publish_table},
										 {"registry_ref", l_registry_ref},
										 {"registry_get", l_registry_get},
										 {"userdata", l_userdata},
										 {"user_value", l_user_value},
										 {"old", l_old},
										 {NULL, NULL}};
	lua_State *L = new_vm();
	lua_pushglobaltable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pop(L, 1);
	return L;
}

static void call(lua_State *L, int arguments, int results, long round) {
	if (lua_pcall(L, arguments, results, 0) != LUA_OK)
		fail_msg("REEF_TEST_SEED=%ld, tree %ld: %s", seed, round, lua_tostring(L, -1));
}

static void load_file(lua_State *L, const char *name) {
	if (luaL_loadfile(L, unit_path(name)) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
}

/* Pushes the random tree number `round`. */
static void push_tree(lua_State *L, long round) {
	load_file(L, "random_tree.lua");
	call(L, 0, 1, round);
	lua_pushinteger(L, seed + round);
	call(L, 1, 1, round);
}

static void a_shared_tree_reads_like_a_private_one_in_every_way(void **state) {
	(void)state;
	for (long round = 0; round < rounds; round++) {
		char why[512];
		lua_State *L = new_reader();
		push_tree(L, round);
		struct reef_snapshot *s = reef_snapshot_table(L, -1, "tree", why, sizeof(why));
		if (s == NULL)
			fail_msg("REEF_TEST_SEED=%ld, tree %ld: %s", seed, round, why);
		reef_vm_close(L);
		L = new_reader();
		if (round % 2 == 1)
			lua_gc(L, LUA_GCGEN, 0, 0);
		for (int again = 0; again < 2; again++) {
			load_file(L, "same.lua");
			reef_snapshot_push(L, s);
			push_tree(L, round);
			call(L, 2, 0, round);
			lua_gc(L, LUA_GCCOLLECT);
		}
		reef_vm_close(L);
		reef_snapshot_delete(s);
	}
}

static void an_update_leaves_exactly_the_new_data_and_nothing_of_the_old(void **state) {
	(void)state;
	for (long round = 0; round < rounds; round++) {
		lua_State *L = new_reader();
		if (round % 2 == 1)
			lua_gc(L, LUA_GCGEN, 0, 0);
		load_file(L, "update_random.lua");
		load_file(L, "random_tree.lua");
		call(L, 0, 1, round);
		lua_pushinteger(L, seed + round);
		call(L, 2, 0, round);
		reef_vm_close(L);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_shared_tree_reads_like_a_private_one_in_every_way),
			cmocka_unit_test(an_update_leaves_exactly_the_new_data_and_nothing_of_the_old),
	};
	read_chance(&seed, &rounds, 150, 15);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
