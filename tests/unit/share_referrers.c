/* tsan: no, one thread does all of it */
/* Whatever gets a reference to shared objects is noted, and nothing that the collector has freed: random programs put values
 * of a shared table into every kind of place, and after each step what is noted is compared with what lies in the VM.
 * REEF_TEST_SEED replays a run, REEF_TEST_ROUNDS says how many programs. */
#include "sharetable/overlay/ov.h" /* before lauxlib.h, which would turn on Lua's assertions */

#include "share_failing.h"

#include "core/ptrmap.h"
#include "sharetable/overlay/model.h"
#include "sharetable/overlay/referrers.h"
#include "sharetable/versions.h"
#include "sharetable/vm_close.h"

static long seed, rounds;

static int l_query(lua_State *L) {
	return reef_versions_query(L, luaL_checkstring(L, 1)) ? 1 : 0;
}

static int l_update(lua_State *L) {
	return reef_versions_update(L, NULL) ? 0 : luaL_error(L, "not enough memory");
}

static int l_publish(lua_State *L) {
	assert_true(reef_versions_publish(frozen(luaL_checkstring(L, 1), luaL_checkstring(L, 2))));
	return 0;
}

static int l_userdata(lua_State *L) {
	lua_newuserdatauv(L, 8, 1);
	return 1;
}

static int l_set_user_value(lua_State *L) {
	lua_settop(L, 2);
	lua_setiuservalue(L, 1, 1);
	return 0;
}

static int nothing(lua_State *L) {
	(void)L;
	return 0;
}

static int l_closure(lua_State *L) {
	lua_pushcclosure(L, nothing, lua_gettop(L));
	return 1;
}

/* copy(t): a table made after that model */
static int l_copy(lua_State *L) {
	reef_model_push(L, lua_topointer(L, 1));
	return 1;
}

/* sweep(): goes on to where dead objects are known and not freed yet, if there is such a place */
static int l_sweep(lua_State *L) {
	if (G(L)->gckind == KGC_INC)
		luaC_runtilstate(L, bitmask(GCSswpallgc));
	return 0;
}

static void add_live(lua_State *L, struct reef_ptrmap *live, GCObject *o) {
	for (; o != NULL; o = o->next) {
		if (!isdead(G(L), o))
			assert_true(reef_ptrmap_put(live, o, o));
	}
}

static void check_list(const struct reef_referrer_list *list, const struct reef_ptrmap *live,
					   struct reef_ptrmap *noted) {
	for (size_t i = 0; i < list->count; i++) {
		assert_ptr_equal(reef_ptrmap_get(live, list->items[i]), list->items[i]);
		assert_null(reef_ptrmap_get(noted, list->items[i]));
		assert_true(reef_ptrmap_put(noted, list->items[i], list->items[i]));
	}
}

/* check() -> nil, or the kind of an object that refers to something shared and is not noted */
static int l_check(lua_State *L) {
	global_State *g = G(L);
	struct reef_ptrmap live, noted;
	const char *missed = NULL;
	if (!reef_referrers_kept(L))
		return 0;
	reef_ptrmap_init(&live);
	reef_ptrmap_init(&noted);
	add_live(L, &live, g->allgc);
	add_live(L, &live, g->finobj);
	add_live(L, &live, g->tobefnz);
	const struct reef_referrers *all = reef_referrers_all(L);
	check_list(&all->tables, &live, &noted);
	check_list(&all->others, &live, &noted);
	for (size_t i = 0; i < live.capacity; i++) {
		const GCObject *o = live.slots[i].key;
		bool passing = o != NULL && o->tt == LUA_VTABLE && gco2t((GCObject *)o)->metatable != NULL &&
					   reef_is_passing(gco2t((GCObject *)o)->metatable);
		if (o != NULL && (passing || reef_is_referrer(o)) && reef_ptrmap_get(&noted, o) == NULL)
			missed = o->tt == LUA_VUPVAL ? "upvalue" : luaT_typenames_[novariant(o->tt) + 1];
	}
	reef_ptrmap_fini(&live);
	reef_ptrmap_fini(&noted);
	lua_pushstring(L, missed);
	return 1;
}

static lua_State *new_reader(void) {
	static const luaL_Reg functions[] = {{"query", l_query},
										 {"update", l_update},
										 {"publish", l_publish},
										 {"userdata", l_userdata},
										 {"set_user_value", l_set_user_value},
										 {"closure", l_closure},
										 {"copy", l_copy},
										 {"sweep", l_sweep},
										 {"check", l_check},
										 {NULL, NULL}};
	lua_State *L = new_vm();
	lua_pushglobaltable(L);
	luaL_setfuncs(L, functions, 0);
	lua_pop(L, 1);
	return L;
}

static void run_program(lua_State *L, long number) {
	if (luaL_loadfile(L, unit_path("referrers.lua")) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
	lua_pushinteger(L, number);
	if (lua_pcall(L, 1, 0, 0) != LUA_OK)
		fail_msg("REEF_TEST_SEED=%ld: %s", number, lua_tostring(L, -1));
}

static void all_who_refer_to_shared_objects_are_noted(void **state) {
	(void)state;
	for (long i = 0; i < rounds; i++) {
		lua_State *L = new_reader();
		if ((seed + i) % 2 == 1)
			lua_gc(L, LUA_GCGEN, 0, 0);
		run_program(L, seed + i);
		reef_vm_close(L);
	}
}

/* A VM begins to keep them while dead objects wait to be freed. */
static void the_dead_are_not_noted(void **state) {
	(void)state;
	lua_State *L = new_reader();
	assert_true(reef_versions_publish(frozen("data", "return {}")));
	lua_gc(L, LUA_GCINC, 0, 0, 0);
	lua_gc(L, LUA_GCCOLLECT);
	lua_gc(L, LUA_GCSTOP);
	for (int i = 0; i < 100; i++) {
		lua_newthread(L);
		lua_pop(L, 1);
	}
	lua_newtable(L); /* what is dead before the first that lives is freed at once */
	luaC_runtilstate(L, bitmask(GCSswpallgc));
	assert_true(reef_versions_query(L, "data"));
	lua_pushcfunction(L, l_check);
	lua_call(L, 0, 1);
	assert_true(lua_isnil(L, -1));
	reef_vm_close(L);
}

/* It is known to be dead and not freed yet, and has a variable open that a living function uses. */
static void what_a_dead_coroutine_has_open_is_found(void **state) {
	(void)state;
	for (int begun = 0; begun < 2; begun++) {
		lua_State *L = new_reader();
		lua_gc(L, LUA_GCINC, 0, 0, 0);
		run(L, "publish('data', 'return { row = { v = 1 } }')");
		if (begun == 1)
			run(L, "query 'data' update()");
		lua_gc(L, LUA_GCSTOP);
		run(L, "local co = coroutine.wrap(function()\n"
			   "  local row = query('data').row\n"
			   "  get = function() return row end\n"
			   "  coroutine.yield()\n"
			   "end)\n"
			   "co()");
		if (begun == 0) { /* as if what it has had come another way */
			reef_referrers_end(G(L));
		}
		run(L, "for i = 1, 1000 do local t = {} end sweep()\n"
			   "publish('data', 'return { row = { v = 2 } }')\n"
			   "update()\n"
			   "assert(get().v == 2)\n"
			   "collectgarbage()\n"
			   "assert(get().v == 2)");
		reef_vm_close(L);
	}
}

/* The VM's allocator refuses when it is told to. */
static bool refuses;

static void *refusing_alloc(void *ud, void *p, size_t old, size_t size) {
	(void)ud;
	(void)old;
	if (size == 0) {
		free(p);
		return NULL;
	}
	return refuses ? NULL : realloc(p, size);
}

/* What could not be noted for lack of memory is found by a look at everything. */
static void what_could_not_be_noted_is_found(void **state) {
	(void)state;
	lua_State *L = lua_newstate(refusing_alloc, NULL);
	luaL_openlibs(L);
	assert_true(reef_versions_publish(frozen("data", "return { a = { v = 1 } }")));
	assert_true(reef_versions_query(L, "data"));
	lua_getfield(L, -1, "a");
	lua_newtable(L);
	for (int i = 1; i <= 1000; i++) { /* no room in the list for all of these */
		lua_createtable(L, 1, 0);
		lua_rawseti(L, 3, i);
	}
	lua_gc(L, LUA_GCSTOP);
	refuses = true;
	for (int i = 1; i <= 1000; i++) {
		lua_rawgeti(L, 3, i);
		lua_pushvalue(L, 2);
		lua_rawseti(L, -2, 1);
		lua_pop(L, 1);
	}
	assert_true(REEF_REFERRERS(G(L)) != NULL && ((struct reef_referrers *)REEF_REFERRERS(G(L)))->lost);
	assert_true(reef_versions_publish(frozen("data", "return { a = { v = 2 } }")));
	assert_false(reef_versions_update(L, NULL));
	refuses = false;
	assert_true(reef_versions_update(L, NULL));
	for (int i = 1; i <= 1000; i++) {
		lua_rawgeti(L, 3, i);
		lua_rawgeti(L, -1, 1);
		lua_getfield(L, -1, "v");
		assert_int_equal(lua_tointeger(L, -1), 2);
		lua_pop(L, 3);
	}
	reef_vm_close(L);
}

static const struct reef_referrers *referrers(lua_State *L) {
	return (struct reef_referrers *)REEF_REFERRERS(G(L));
}

/* Lists grow with those who refer, and their memory goes with them: a quarter of the room is in use, or it is little. */
static void the_room_of_those_who_went_is_given_back(void **state) {
	(void)state;
	lua_State *L = luaL_newstate();
	luaL_openlibs(L);
	assert_true(reef_versions_publish(frozen("data", "return { a = { v = 1 } }")));
	assert_true(reef_versions_query(L, "data"));
	lua_setglobal(L, "data");
	srand((unsigned)seed);
	for (long round = 0; round < 20; round++) {
		lua_pushinteger(L, rand() % 20000);
		lua_setglobal(L, "n");
		run(L,
			"list = {} for i = 1, n do local a = data.a list[i] = i % 3 == 0 and { a } or function() return a end end");
		size_t most = referrers(L)->tables.capacity;
		run(L, "for i = 1, n do if i % 16 ~= 0 then list[i] = false end end collectgarbage() collectgarbage()");
		const struct reef_referrers *all = referrers(L);
		assert_true(all->tables.capacity <= 16 || all->tables.count >= all->tables.capacity / 4);
		assert_true(all->others.capacity <= 16 || all->others.count >= all->others.capacity / 4);
		assert_true(all->tables.capacity <= most);
	}
	reef_vm_close(L);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(all_who_refer_to_shared_objects_are_noted),
			cmocka_unit_test(the_dead_are_not_noted),
			cmocka_unit_test(what_a_dead_coroutine_has_open_is_found),
			cmocka_unit_test(what_could_not_be_noted_is_found),
			cmocka_unit_test(the_room_of_those_who_went_is_given_back),
	};
	read_chance(&seed, &rounds, 100, 20);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
