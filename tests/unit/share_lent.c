/* tsan: no, one thread does all of it */
/* Tables whose parts are lent behave like any others: random scripts say the same in a VM that lends what it can and in one
 * that does not. What is lent is mapped read-only, so a write that the hooks do not see ends the test.
 * REEF_TEST_SEED replays a run, REEF_TEST_ROUNDS says how many scripts. */
#include "sharetable/overlay/ov.h" /* before lauxlib.h, which would turn on Lua's assertions */

#include "share_failing.h"

#include <sys/mman.h>

#include "sharetable/overlay/closing.h"
#include "sharetable/overlay/each.h"
#include "sharetable/overlay/lent.h"
#include "sharetable/overlay/model.h"
#include "sharetable/overlay/pool.h"
#include "sharetable/versions.h"

enum { LENT = 1 << 20, BLOCK = 1 << 20 };

static long seed, rounds;
static char *lent_begin, *lent_next; /* of all VMs */
static size_t lent_tables;

static bool is_lent_memory(const void *p) {
	return (size_t)((const char *)p - lent_begin) < LENT;
}

/* ---- VMs that count what they have ---- */

struct vm {
	size_t bytes;
	char *block, *next; /* what is allocated first lies there, and is not freed piece by piece */
};

static bool in_block(const struct vm *vm, const void *p) {
	return vm->block != NULL && (size_t)((const char *)p - vm->block) < BLOCK;
}

static void *counted_alloc(void *ud, void *p, size_t old, size_t size) {
	struct vm *vm = ud;
	if (is_lent_memory(p))
		fail_msg("lent memory is freed");
	old = p ? old : 0;
	void *q = NULL;
	if (size > 0 && reef_alloc_fails != NULL && size > old && fails(size))
		return NULL;
	if (size > 0 && vm->next != NULL && vm->next + size + 16 < vm->block + BLOCK) {
		q = vm->next;
		vm->next += (size + 15) & ~(size_t)15;
	} else if (size > 0) {
		q = malloc(size);
	}
	if (p && q)
		memcpy(q, p, old < size ? old : size);
	if (p && !in_block(vm, p))
		free(p);
	vm->bytes += size - old;
	return q;
}

/* What the collector counts is what there is. */
static void check_bytes(lua_State *L, const struct vm *vm) {
	assert_int_equal(gettotalbytes(G(L)), vm->bytes);
}

/* ---- lending ---- */

static bool is_everybodys(const GCObject *o) {
	return reef_is_shared(o) && !(o->tt == LUA_VTABLE);
}

static bool may_lend(const Table *t) {
	for (unsigned int i = 0; i < luaH_realasize(t); i++) {
		if (iscollectable(&t->array[i]) && !is_everybodys(gcvalue(&t->array[i])))
			return false;
	}
	for (int i = 0; i < sizenode(t); i++) {
		const Node *n = gnode(t, i);
		if ((keyiscollectable(n) && !is_everybodys(gckey(n))) ||
			(iscollectable(gval(n)) && !is_everybodys(gcvalue(gval(n)))))
			return false;
	}
	return reef_can_lend(t);
}

static bool lend(lua_State *L, Table *t) {
	struct reef_parts parts = reef_parts_of(t);
	size_t size = reef_lent_size(&parts);
	if (size == 0 || !may_lend(t) || (size_t)(lent_begin + LENT - lent_next) < size)
		return false;
	mprotect(lent_begin, LENT, PROT_READ | PROT_WRITE);
	struct reef_parts lent = reef_lend(t, lent_next);
	assert_true(lent.nodes + lent.nodes_size <= lent_next + size);
	lent_next += size;
	if (parts.array_size > 0) {
		memcpy(lent.array, parts.array, parts.array_size);
		luaM_freemem(L, parts.array, parts.array_size);
	}
	if (parts.nodes_size > 0) {
		memcpy(lent.nodes, parts.nodes, parts.nodes_size);
		luaM_freemem(L, parts.nodes, parts.nodes_size);
	}
	mprotect(lent_begin, LENT, PROT_READ);
	assert_true(reef_is_lent(t));
	lent_tables++;
	return true;
}

static int l_lend(lua_State *L) {
	lua_gc(L, LUA_GCCOLLECT); /* which marks the keys of entries that are gone */
	lend(L, (Table *)lua_topointer(L, 1));
	return 0;
}

static int l_keep(lua_State *L) {
	lua_gc(L, LUA_GCCOLLECT);
	return 0;
}

/* Is it lent still? */
static bool is_lent_top(lua_State *L) {
	return reef_is_lent((const Table *)lua_topointer(L, -1));
}

static lua_State *new_counted_vm(struct vm *vm, bool lends, bool has_block) {
	*vm = (struct vm){.block = has_block ? malloc(BLOCK) : NULL};
	vm->next = vm->block;
	lua_State *L = lua_newstate(counted_alloc, vm);
	luaL_openlibs(L);
	lua_register(L, "lend", lends ? l_lend : l_keep);
	return L;
}

static void close_vm(lua_State *L, struct vm *vm) {
	if (vm->block != NULL)
		reef_closing = (struct reef_closing){vm->block, BLOCK};
	lua_close(L);
	reef_closing = (struct reef_closing){0};
	if (vm->block == NULL)
		assert_int_equal(vm->bytes, 0);
	free(vm->block);
}

/* ---- random scripts ---- */

/* Returns what script number `round` says. */
static char *run_script(long round, bool lends, bool by_itself) {
	struct vm vm;
	lua_State *L = new_counted_vm(&vm, lends, round % 3 == 0);
	if (round % 2 == 1)
		lua_gc(L, LUA_GCGEN, 0, 0);
	if (luaL_loadfile(L, unit_path("lent.lua")) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
	lua_pushinteger(L, seed + round);
	lua_pushboolean(L, by_itself);
	lua_getglobal(L, "lend");
	if (lua_pcall(L, 3, 1, 0) != LUA_OK)
		fail_msg("REEF_TEST_SEED=%ld, script %ld: %s", seed, round, lua_tostring(L, -1));
	char *said = strdup(lua_tostring(L, -1));
	check_bytes(L, &vm);
	close_vm(L, &vm);
	return said;
}

static void scripts_say_the_same_where_tables_are_lent(void **state) {
	(void)state;
	lent_tables = 0;
	for (long round = 0; round < rounds; round++) {
		char *plain = run_script(round, false, false), *lent = run_script(round, true, false);
		size_t same = 0;
		while (plain[same] != '\0' && plain[same] == lent[same])
			same++;
		if (strcmp(plain, lent) != 0)
			fail_msg("REEF_TEST_SEED=%ld, script %ld, byte %zu: '%.99s', and where tables are lent '%.99s'", seed,
					 round, same, plain + same, lent + same);
		free(plain);
		free(lent);
		lent_next = lent_begin;
	}
	assert_true(lent_tables > (size_t)rounds);
}

static void nothing_is_written_whenever_the_collector_runs(void **state) {
	(void)state;
	for (long round = 0; round < rounds; round++) {
		free(run_script(round, true, true));
		lent_next = lent_begin;
	}
}

/* ---- single properties ---- */

static const char *const NOTHING_IS_WRITTEN[] = {
		"for k in pairs(t) do assert(t[k] ~= nil) end",
		"local n = #t for i = 1, n do t[i] = rawget(t, i) == nil and 1 or nil end",
		"for _, how in ipairs { 'step', 'generational', 'step', 'collect', 'incremental' } do collectgarbage(how) end",
		"setmetatable(t, { __index = math.abs, __newindex = function() end }) t.nothing_new = 1",
		"for _, mode in ipairs { 'k', 'v', 'kv' } do setmetatable(t, { __mode = mode }) collectgarbage() end",
		"setmetatable(t, { __gc = function() end }) collectgarbage()",
		"assert(setmetatable({}, t).alpha == nil) debug.setmetatable(1, t) debug.setmetatable(1, nil)",
};

static void only_a_write_makes_them_the_table_s_own(void **state) {
	(void)state;
	for (size_t i = 0; i < sizeof(NOTHING_IS_WRITTEN) / sizeof(*NOTHING_IS_WRITTEN); i++) {
		struct vm vm;
		lua_State *L = new_counted_vm(&vm, true, false);
		run(L, "t = { alpha = 1, beta = true, [3] = 'gamma' } lend(t)");
		lua_getglobal(L, "t");
		assert_true(is_lent_top(L));
		run(L, NOTHING_IS_WRITTEN[i]);
		assert_true(is_lent_top(L));
		run(L, "setmetatable(t, nil) t.alpha = 2 assert(t.alpha == 2 and t.beta)");
		assert_false(is_lent_top(L));
		check_bytes(L, &vm);
		close_vm(L, &vm);
	}
	lent_next = lent_begin;
}

static lua_State *new_lending_vm(void) {
	static struct vm vm;
	return new_counted_vm(&vm, true, false);
}

static void before_writing(lua_State *L) {
	run(L, "t = { 1, 2, alpha = 1, beta = 'gamma' }"
		   "u = { 1, alpha = 1, beta = 'gamma', [0.5] = true }"
		   "w = { 1 }"
		   "lend(t) lend(u) lend(w)"
		   "function go() t.alpha, w[1] = 2, 2 u[0.5] = nil u.alpha = 2 end");
}

static int write_fields(lua_State *L) {
	return call_global(L, "go");
}

/* Of each table all is there, and what was lent before the failure still is. */
static void nothing_else_was_written(lua_State *L) {
	run(L, "assert(#t == 2 and t.beta == 'gamma' and u.alpha == 1 and u.beta == 'gamma' and u[0.5])");
	lua_getglobal(L, "u");
	assert_true(is_lent_top(L));
	lua_pop(L, 1);
}

static void fields_were_written(lua_State *L) {
	run(L, "assert(#t == 2 and t[2] == 2 and t.alpha == 2 and t.beta == 'gamma')"
		   "assert(u.alpha == 2 and u.beta == 'gamma' and u[0.5] == nil)");
}

static void without_memory_they_stay_lent(void **state) {
	(void)state;
	const struct attempt attempt = {.new_vm = new_lending_vm,
									.before = before_writing,
									.attempt = write_fields,
									.failed = nothing_else_was_written,
									.done = fields_were_written};
	at_every_step(&attempt);
	lent_next = lent_begin;
}

static void a_model_may_be_lent(void **state) {
	(void)state;
	struct vm vm;
	lua_State *L = new_counted_vm(&vm, true, false);
	run(L, "model = { alpha = false, beta = false, gamma = false }");
	lua_getglobal(L, "model");
	const Table *model = lua_topointer(L, -1);
	ptrdiff_t last_free = model->lastfree - model->node;
	run(L, "lend(model)");
	lua_pushliteral(L, "beta");
	int place = reef_model_place(L, model);
	lua_pop(L, 1);
	const Table *made = reef_model_push(L, model);
	assert_int_equal(made->lastfree - made->node, last_free);
	lua_pushinteger(L, 7);
	reef_model_put(L, made, place);
	lua_setglobal(L, "made");
	assert_true(is_lent_top(L));
	run(L, "made.other = 1 assert(made.beta == 7 and made.alpha == false and made.other == 1)");
	lua_pushinteger(L, 8);
	reef_model_put(L, model, place);
	assert_false(is_lent_top(L));
	run(L, "assert(model.beta == 8 and model.gamma == false)");
	check_bytes(L, &vm);
	close_vm(L, &vm);
	lent_next = lent_begin;
}

static bool can_lend(lua_State *L, const char *code) {
	lua_pushnil(L);
	run_with(L, code);
	bool can = reef_can_lend(lua_topointer(L, -1));
	lua_pop(L, 1);
	return can;
}

static void what_a_collector_would_write_to_is_not_lent(void **state) {
	(void)state;
	struct vm vm;
	lua_State *L = new_counted_vm(&vm, true, false);
	lua_gc(L, LUA_GCSTOP);
	assert_true(can_lend(L, "t = { alpha = 1, beta = 2 } return t"));
	assert_false(can_lend(L, "t.alpha = nil return t")); /* its key is still to be marked as dead */
	assert_true(can_lend(L, "collectgarbage() return t"));
	close_vm(L, &vm);
}

static void what_may_go_is_not_lent(void **state) {
	(void)state;
	lua_State *L = new_vm();
	lua_pushnil(L);
	run_with(L, "return { row = { number = 1, text = 'not pooled' } }");
	assert_true(reef_versions_publish(freeze_top(L, "passing")));
	struct vm vm;
	L = new_counted_vm(&vm, true, false);
	assert_true(reef_versions_query(L, "passing"));
	lua_setglobal(L, "rows");
	assert_false(can_lend(L, "return { rows.row }"));
	assert_false(can_lend(L, "return { alpha = rows.row.text }"));
	assert_false(can_lend(L, "return { [rows.row] = 1 }"));
	assert_true(can_lend(L, "return { alpha = rows.row.number }"));
	reef_vm_close(L);
}

/* Is it nothing but a list? Then `sum` is made of its values. */
static bool go_through(lua_State *L, int *sum) {
	struct reef_each list;
	struct reef_each_pair value;
	*sum = 0;
	bool found = reef_each_begin_list(&list, lua_topointer(L, -1));
	while (found && reef_each_value(&list, &value))
		*sum = *sum * 10 + (value.type == LUA_TNUMBER ? (int)value.value.integer : (int)value.value.string.size);
	return found;
}

static void lists_are_gone_through_when_they_are_lent(void **state) {
	(void)state;
	static const struct {
		const char *code;
		bool found;
		int sum;
	} tables[] = {
			{"return { 1, 'alpha', 3 }", true, 153}, {"return {}", true, 0},
			{"return { alpha = 1 }", false, 0},      {"return { 1, 2, alpha = 3 }", false, 0},
			{"return { 1, 2, n = 2 }", false, 0},
	};
	struct vm vm;
	lua_State *L = new_counted_vm(&vm, true, false);
	for (size_t i = 0; i < sizeof(tables) / sizeof(*tables); i++) {
		int sum;
		lua_pushnil(L);
		run_with(L, tables[i].code);
		assert_int_equal(go_through(L, &sum), tables[i].found);
		assert_int_equal(sum, tables[i].sum);
		bool lent = lend(L, (Table *)lua_topointer(L, -1));
		assert_true(lent || i == 1 || i == 4); /* nothing to lend; a name that is not everybody's */
		assert_int_equal(go_through(L, &sum), tables[i].found);
		assert_int_equal(sum, tables[i].sum);
		lua_pop(L, 1);
	}
	close_vm(L, &vm);
	lent_next = lent_begin;
}

/* Rows that may go come into it by a write, and then it is walked like any other. */
static void a_table_that_was_lent_is_found_by_updates(void **state) {
	(void)state;
	struct vm vm;
	lua_State *L = new_counted_vm(&vm, true, false);
	run(L, "t = { alpha = 1, beta = 2 } lend(t) return 1");
	for (int i = 1; i <= 2; i++) {
		lua_State *other = new_vm();
		lua_pushinteger(other, i);
		run_with(other, "return { row = { number = ... } }");
		assert_true(reef_versions_publish(freeze_top(other, "rows")));
		if (i == 1) {
			assert_true(reef_versions_query(L, "rows"));
			lua_setglobal(L, "rows");
			run(L, "t.alpha = rows.row assert(t.alpha.number == 1)");
		}
	}
	assert_true(reef_versions_update(L, "rows"));
	run(L, "assert(t.alpha.number == 2 and t.beta == 2)");
	lua_settop(L, 0);
	reef_vm_close(L);
	lent_next = lent_begin;
}

/* ---- */

static void pool_names(void) {
	lua_State *L = luaL_newstate();
	static const char *const names[] = {"alpha", "beta",  "gamma", "delta", "epsilon", "zeta",
										"eta",   "theta", "iota",  "kappa", "__index"};
	for (size_t i = 0; i < sizeof(names) / sizeof(*names); i++) {
		lua_pushstring(L, names[i]);
		assert_non_null(reef_pool_add(tsvalue(s2v(REEF_TOP(L) - 1))));
	}
	lua_close(L);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(scripts_say_the_same_where_tables_are_lent),
			cmocka_unit_test(nothing_is_written_whenever_the_collector_runs),
			cmocka_unit_test(only_a_write_makes_them_the_table_s_own),
			cmocka_unit_test(without_memory_they_stay_lent),
			cmocka_unit_test(a_model_may_be_lent),
			cmocka_unit_test(what_a_collector_would_write_to_is_not_lent),
			cmocka_unit_test(what_may_go_is_not_lent),
			cmocka_unit_test(lists_are_gone_through_when_they_are_lent),
			cmocka_unit_test(a_table_that_was_lent_is_found_by_updates),
	};
	read_chance(&seed, &rounds, 600, 60);
	pool_names();
	lent_begin = lent_next = mmap(NULL, LENT, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	return cmocka_run_group_tests(tests, NULL, NULL);
}
