/* Builds of VMs for copies: see copy_build.h. */
#include "sharetable/overlay/ov.h" /* before lauxlib.h, which would turn on Lua's assertions */

#include "copy_build.h"

#include <lopcodes.h>
#include <string.h>

#include <lauxlib.h>
#include <lualib.h>

#include "allocator.h"
#include "copy_form.h"
#include "core/alloc.h"
#include "host_private.h"
#include "prepare.h"
#include "protocol.h"

enum { BUILD_MEMORY = 4 << 20, COLLECTIONS = 6 };

static size_t rounded(size_t size) {
	return (size + 15) & ~(size_t)15;
}

static void *build_allocate(void *ud, void *p, size_t old_size, size_t new_size) {
	struct reef_build *build = ud;
	struct reef_build_block *block = NULL;
	if (new_size > 0) {
		if (new_size > BUILD_MEMORY || rounded(new_size) + sizeof(*block) > BUILD_MEMORY - build->used) {
			build->full = true;
			return NULL;
		}
		block = (void *)(build->memory + build->used);
		*block = (struct reef_build_block){.size = new_size, .is = block + 1};
		build->used += sizeof(*block) + rounded(new_size);
		build->bytes += new_size;
		if (p)
			memcpy(block + 1, p, old_size < new_size ? old_size : new_size);
	}
	if (p) {
		((struct reef_build_block *)p - 1)->is = NULL;
		build->bytes -= old_size;
	}
	return block ? block + 1 : NULL;
}

struct reef_build_block *reef_build_next(const struct reef_build *build, struct reef_build_block *block) {
	char *next = block ? (char *)(block + 1) + rounded(block->size) : build->memory;
	return next < build->memory + build->used ? (struct reef_build_block *)(void *)next : NULL;
}

/* The state of math.random, which every copy gets anew. */
static void find_random(struct reef_build *build, lua_State *L) {
	lua_getglobal(L, LUA_MATHLIBNAME);
	lua_getfield(L, -1, "random");
	if (lua_getupvalue(L, -1, 1) && lua_type(L, -1) == LUA_TUSERDATA && lua_rawlen(L, -1) == REEF_RANDOM_SIZE) {
		char *state = lua_touserdata(L, -1);
		memset(state, 0, REEF_RANDOM_SIZE);
		build->random = (size_t)(state - build->memory);
	}
	lua_settop(L, 1);
}

static int prepared(lua_State *L) {
	find_random(lua_touserdata(L, 1), L);
	return 0;
}

/* Runs the main function and looks at what it does. */
static const char *begin(struct reef_build *build, lua_State *L, const char *arguments) {
	if (!reef_watch_begin(&build->watch, L))
		return reef_no_memory;
	lua_gc(L, LUA_GCSTOP);
	int status = reef_prepare_begin(L, arguments);
	reef_watch_end(L);
	lua_gc(L, LUA_GCRESTART);
	if (build->watch.refusal)
		return build->watch.refusal;
	if (build->full)
		return "it is too large";
	return status == LUA_OK ? reef_build_refuse_finalizers(L) : "its loading has failed";
}

/* All garbage goes. What is there when a service begins stays for long: its collector need not look at it again and
 * again. */
static int settle(lua_State *L) {
	const struct reef_build *build = lua_touserdata(L, 1);
	lua_settop(L, 0);
	for (int i = 0; i < COLLECTIONS; i++)
		lua_gc(L, LUA_GCCOLLECT);
	if (build->begun)
		lua_gc(L, LUA_GCGEN, 0, 0);
	return 0;
}

static bool uses_arguments(const lua_State *L) {
	const Proto *p = clLvalue(s2v(REEF_STACK(L) + REEF_PREPARED_MAIN))->p;
	for (int i = 0; i < p->sizecode; i++) {
		if (GET_OPCODE(p->code[i]) == OP_VARARG)
			return true;
	}
	return false;
}

static bool run(struct reef_build *build, lua_State *L, lua_CFunction f) {
	lua_pushcfunction(L, f);
	lua_pushlightuserdata(L, build);
	return lua_pcall(L, 1, 0, 0) == LUA_OK;
}

/* Makes the VM; returns why it cannot be copied. */
static const char *make_vm(struct reef_build *build, const char *arguments) {
	if (build->begun)
		reef_protocol_begin(build->host);
	int status = reef_prepare(build->host, build_allocate, build, arguments);
	lua_State *L = build->host->L;
	if (status != LUA_OK)
		return "its loading has failed";
	if (!lua_isfunction(L, REEF_PREPARED_MAIN) || lua_iscfunction(L, REEF_PREPARED_MAIN))
		return "a loader of others";
	build->varies = uses_arguments(L);
	const char *passed = lua_tolstring(L, REEF_PREPARED_PASSED, &build->passed_size);
	if (build->passed_size > 0)
		build->passed = memcpy(reef_malloc(build->passed_size + 1), passed, build->passed_size + 1);
	lua_settop(L, REEF_PREPARED_MAIN);
	if (!run(build, L, prepared))
		return "its loading has failed";
	const char *why = build->begun ? begin(build, L, arguments) : NULL;
	lua_settop(L, build->begun ? REEF_PREPARED_TRACEBACK : REEF_PREPARED_MAIN);
	if (why == NULL && !run(build, L, settle))
		why = "its loading has failed";
	if (why == NULL && build->full)
		why = "it is too large";
	return why ? why : reef_build_refuse(build, L);
}

bool reef_build_begin(struct reef_build *build, const struct reef_host *host, const char *arguments, bool begun) {
	*build = (struct reef_build){.memory = reef_try_map(BUILD_MEMORY), .begun = begun};
	if (build->memory == NULL) {
		build->failure = reef_no_memory;
		return false;
	}
	build->host = reef_host_new(host->service);
	build->failure = make_vm(build, arguments);
	lua_State *L = build->host->L;
	if (build->failure != NULL)
		return false;
	reef_build_clear(build, L);
	lua_setallocf(L, reef_allocator_run, build->host);
	return true;
}

void reef_build_end(struct reef_build *build) {
	const struct reef_record_hooks *record = reef_host_hooks()->record;
	if (build->host && build->host->L && record)
		record->drop(record->find(build->host->L));
	reef_unmap(build->memory, BUILD_MEMORY);
	if (build->host) {
		reef_free(build->host->warning);
		reef_protocol_fini(build->host);
	}
	reef_watch_fini(&build->watch);
	reef_free(build->host);
	reef_free(build->passed);
	*build = (struct reef_build){0};
}
