/* A file is compiled once a process; versions live as long as VMs use them. */
#include "share_lua.h"

#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sys/stat.h>
#include <unistd.h>

#include "sharetable/codecache.h"
#include "sharetable/lua_codecache.h"
#include "sharetable/names.h"
#include "sharetable/vm_close.h"

static char dir[] = "/tmp/reef-codecache-XXXXXX";

static const char *path_of(const char *name) {
	static _Thread_local char path[256];
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	return path;
}

static void write_file(const char *name, const char *text) {
	FILE *f = fopen(path_of(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

/* Runs a file through the cache; the number it returns. */
static lua_Integer run_cached(lua_State *L, const char *name) {
	if (reef_codecache_load(L, path_of(name), NULL) != LUA_OK || lua_pcall(L, 0, 1, 0) != LUA_OK)
		fail_msg("%s", lua_tostring(L, -1));
	lua_Integer n = lua_tointeger(L, -1);
	lua_pop(L, 1);
	return n;
}

struct seen {
	size_t versions, vms, current;
};

static void see(void *ud, const struct reef_code_stat *stat) {
	struct seen *seen = ud;
	if (strncmp(stat->name, dir, strlen(dir)) != 0)
		return;
	seen->versions++;
	seen->vms += stat->vms;
	seen->current += stat->current;
	assert_true(stat->bytes > 0);
}

static struct seen stat_now(void) {
	struct seen seen = {0};
	reef_codecache_stat(see, &seen);
	return seen;
}

static void a_file_is_read_once_until_it_is_evicted(void **state) {
	(void)state;
	lua_State *a = new_vm(), *b = new_vm();
	write_file("one.lua", "n = (n or 0) + 1 return n");
	assert_int_equal(run_cached(a, "one.lua"), 1);
	write_file("one.lua", "return 100");
	assert_int_equal(run_cached(a, "one.lua"), 2);
	assert_int_equal(run_cached(b, "one.lua"), 1);
	struct seen seen = stat_now();
	assert_int_equal(seen.versions, 1);
	assert_int_equal(seen.vms, 2);

	assert_int_equal(reef_codecache_evict(path_of("one.lua")), 1);
	assert_int_equal(reef_codecache_evict(path_of("one.lua")), 0);
	assert_int_equal(run_cached(b, "one.lua"), 100);
	seen = stat_now();
	assert_int_equal(seen.versions, 2);
	assert_int_equal(seen.vms, 3);
	reef_vm_close(a);
	assert_int_equal(stat_now().versions, 2);
	reef_vm_close(b); /* the last that used the first version */
	seen = stat_now();
	assert_int_equal(seen.versions, 1);
	assert_int_equal(seen.vms, 0);
	reef_codecache_clear();
	assert_int_equal(stat_now().versions, 0);
}

enum forgetting { NOTHING, EVICTED, CLEARED, WAYS };

struct slow_file {
	enum forgetting forgetting;
	atomic_bool over;
};

/* A file that is being read when it is to be forgotten. It may be opened again. */
static void *write_slowly(void *arg) {
	struct slow_file *slow = arg;
	int file = open(path_of("slow.lua"), O_WRONLY);
	if (slow->forgetting == EVICTED)
		reef_codecache_evict(path_of("slow.lua"));
	else if (slow->forgetting == CLEARED)
		reef_codecache_clear();
	dprintf(file, "return 1");
	close(file);
	while (!atomic_load(&slow->over)) {
		file = open(path_of("slow.lua"), O_WRONLY | O_NONBLOCK);
		if (file >= 0)
			close(file);
		usleep(1000);
	}
	return NULL;
}

static void what_is_forgotten_while_it_is_read_is_read_again(void **state) {
	(void)state;
	for (enum forgetting forgetting = NOTHING; forgetting < WAYS; forgetting++) {
		struct slow_file slow = {.forgetting = forgetting};
		pthread_t writer;
		lua_State *L = new_vm();
		assert_int_equal(mkfifo(path_of("slow.lua"), 0600), 0);
		pthread_create(&writer, NULL, write_slowly, &slow);
		assert_int_equal(run_cached(L, "slow.lua"), 1);
		atomic_store(&slow.over, true);
		pthread_join(writer, NULL);
		unlink(path_of("slow.lua"));
		write_file("slow.lua", "return 2");
		assert_int_equal(run_cached(L, "slow.lua"), forgetting == NOTHING ? 1 : 2);
		reef_vm_close(L);
		reef_codecache_clear();
		unlink(path_of("slow.lua"));
	}
}

static void modes_decide_whether_the_cache_is_used_and_filled(void **state) {
	(void)state;
	lua_State *L = new_vm();
	luaL_requiref(L, "skynet.codecache", reef_codecache_open, 0);
	lua_setglobal(L, "cache");
	lua_pushstring(L, path_of("mode.lua"));
	lua_setglobal(L, "file");
	run(L, "local function write(n) local f = io.open(file, 'w') f:write('return ', n) f:close() end\n"
		   "local function load() return cache.loadfile(file)() end\n"
		   "assert(cache.mode() == 'ON')\n"
		   "cache.mode 'EXIST' assert(cache.mode() == 'EXIST')\n"
		   "write(1) assert(load() == 1) write(2) assert(load() == 2)\n"
		   "cache.mode 'ON' assert(load() == 2) write(3) assert(load() == 2)\n"
		   "cache.mode 'EXIST' assert(load() == 2)\n"
		   "cache.mode 'OFF' assert(load() == 3)\n"
		   "cache.mode 'ON' assert(load() == 2)\n"
		   "assert(cache.evict(file) and not cache.evict(file)) assert(load() == 3)\n"
		   "write(4) assert(cache.clear() >= 1) assert(load() == 4)\n"
		   "assert(not pcall(cache.mode, 'MAYBE') and cache.mode() == 'ON')\n"
		   "local env = {} assert(cache.loadfile(file, 't', env)() == 4)\n"
		   "local s = cache.stat()\n"
		   "for _, f in ipairs(s.files) do if f.name == file and f.current then assert(f.vms == 1 and f.bytes > 0) ok "
		   "= true end end\n"
		   "assert(ok and s.bytes > 0 and s.strings > 0 and s.string_bytes > 0)\n");
	reef_vm_close(L);
	reef_codecache_clear();
}

static const void *global_address(lua_State *L, const char *name) {
	lua_getglobal(L, name);
	const void *p = lua_topointer(L, -1);
	lua_pop(L, 1);
	return p;
}

static void functions_without_upvalues_are_as_shared_as_their_code(void **state) {
	(void)state;
	write_file("functions.lua",
			   "local n = 0\n"
			   "function plain(a, ...) return a, select and 1, ... end\n"
			   "plain = function(a, ...) local function inner(x) return x * 2 end return inner(a), ... end\n"
			   "function counts() n = n + 1 return n end\n"
			   "function make() return function(x) return { x } end end\n"
			   "return 1");
	lua_State *a = new_vm(), *b = new_vm();
	run_cached(a, "functions.lua");
	run_cached(b, "functions.lua");
	assert_ptr_equal(global_address(a, "plain"), global_address(b, "plain"));
	assert_ptr_not_equal(global_address(a, "counts"), global_address(b, "counts"));
	lua_close(new_vm());
	static const char check[] =
			"assert(plain(21, 'x') == 42 and select(2, plain(1, 'x')) == 'x' and counts() == 1)\n"
			"assert(make()(5)[1] == 5 and make()(6)[1] == 6 and not pcall(plain, {}))\n"
			"assert(debug.getinfo(plain, 'S').linedefined == 3 and debug.getupvalue(plain, 1) == nil)\n"
			"assert(not debug.setupvalue(plain, 1, 5) and load(string.dump(plain))(4) == 8)\n"
			"local weak = setmetatable({ [plain] = 1, [make()] = 2 }, { __mode = 'k' })\n"
			"local co = coroutine.wrap(plain) assert(co(4) == 8)\n"
			"for _, mode in ipairs { 'generational', 'incremental' } do\n"
			"	collectgarbage(mode) collectgarbage() collectgarbage()\n"
			"	assert(plain(3) == 6 and weak[plain] == 1 and make()(7)[1] == 7)\n"
			"end\n";
	run(a, check);
	assert_int_equal(reef_codecache_evict(path_of("functions.lua")), 1);
	reef_vm_close(a);
	run(b, check); /* the last VM that uses the version keeps it */
	char why[200];
	lua_getglobal(b, "plain");
	lua_createtable(b, 0, 1);
	lua_insert(b, -2);
	lua_setfield(b, -2, "f");
	struct reef_snapshot *s = reef_snapshot_table(b, -1, "functions", why, sizeof(why));
	assert_non_null(s);
	reef_vm_close(b);
	assert_int_equal(stat_now().versions, 0);
	b = new_vm();
	run_on(b, s, "local t = ... collectgarbage() assert(t.f(2, 3) == 4)");
	lua_close(b);
	reef_snapshot_delete(s);
}

static void errors_are_those_of_stock_lua_and_are_not_cached(void **state) {
	(void)state;
	lua_State *L = new_vm();
	write_file("bad.lua", "return {");
	assert_int_equal(reef_codecache_load(L, path_of("bad.lua"), NULL), LUA_ERRSYNTAX);
	assert_non_null(strstr(lua_tostring(L, -1), "bad.lua:1:"));
	write_file("bad.lua", "return 5");
	assert_int_equal(run_cached(L, "bad.lua"), 5);
	assert_int_equal(reef_codecache_load(L, path_of("none.lua"), NULL), LUA_ERRFILE);
	assert_non_null(strstr(lua_tostring(L, -1), "cannot open"));
	assert_int_equal(reef_codecache_load(L, path_of("bad.lua"), "b"), LUA_ERRSYNTAX);
	assert_non_null(strstr(lua_tostring(L, -1), "attempt to load a text chunk"));
	assert_int_equal(reef_codecache_load(L, path_of("bad.lua"), "bt"), LUA_OK);
	reef_vm_close(L);
	reef_codecache_clear();
}

static void globals_are_the_vms_own(void **state) {
	(void)state;
	lua_State *a = new_vm(), *b = new_vm();
	write_file("globals.lua",
			   "counter = (counter or 0) + 1 local up = counter return function() up = up + 1 return up end");
	for (int i = 0; i < 2; i++) {
		lua_State *L = i == 0 ? a : b;
		assert_int_equal(reef_codecache_load(L, path_of("globals.lua"), "t"), LUA_OK);
		lua_call(L, 0, 1);
		run_with(L, "local f = ... assert(f() == 2 and f() == 3 and counter == 1)");
		lua_pop(L, 1);
	}
	reef_vm_close(a);
	reef_vm_close(b);
	reef_codecache_clear();
}

#define FILES 8

static void *live_and_die(void *arg) {
	unsigned int seed = (unsigned int)(uintptr_t)arg + 1;
	for (int life = 0; life < 60; life++) {
		lua_State *L = new_vm();
		for (int i = 0; i < 12; i++) {
			char name[32];
			int n = rand_r(&seed) % FILES;
			snprintf(name, sizeof(name), "many%d.lua", n);
			if (run_cached(L, name) != n * (n + 1) / 2)
				abort();
			if (rand_r(&seed) % 8 == 0)
				reef_codecache_evict(path_of(name));
			if (rand_r(&seed) % 50 == 0)
				reef_codecache_clear();
			lua_gc(L, LUA_GCSTEP, 50);
		}
		stat_now();
		reef_vm_close(L);
	}
	return NULL;
}

static void vms_come_and_go_while_files_are_evicted(void **state) {
	(void)state;
	for (int i = 0; i < FILES; i++) {
		char name[32], text[200];
		snprintf(name, sizeof(name), "many%d.lua", i);
		snprintf(text, sizeof(text),
				 "local function sum_%d(n) local s = 0 for i = 1, n do s = s + i end return s end return sum_%d(%d)", i,
				 i, i);
		write_file(name, text);
	}
	pthread_t threads[6];
	for (uintptr_t i = 0; i < 6; i++)
		pthread_create(&threads[i], NULL, live_and_die, (void *)i);
	for (int i = 0; i < 6; i++)
		pthread_join(threads[i], NULL);
	assert_int_equal(stat_now().vms, 0);
	reef_codecache_clear();
	assert_int_equal(stat_now().versions, 0);
}

static int make_dir(void **state) {
	(void)state;
	reef_share_library_names();
	return mkdtemp(dir) == NULL;
}

static int remove_dir(void **state) {
	(void)state;
	char command[300];
	snprintf(command, sizeof(command), "rm -r '%s'", dir);
	return system(command);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_file_is_read_once_until_it_is_evicted),
			cmocka_unit_test(what_is_forgotten_while_it_is_read_is_read_again),
			cmocka_unit_test(modes_decide_whether_the_cache_is_used_and_filled),
			cmocka_unit_test(functions_without_upvalues_are_as_shared_as_their_code),
			cmocka_unit_test(errors_are_those_of_stock_lua_and_are_not_cached),
			cmocka_unit_test(globals_are_the_vms_own),
			cmocka_unit_test(vms_come_and_go_while_files_are_evicted),
	};
	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
