/* The Lua module `reef.memory`: what the process' allocator knows. Every figure is taken when it is asked for; any
 * service may ask. Without jemalloc (sanitizer builds) only the bytes of services are known. */
#include "lua_memory.h"
#include "core/handle.h"
#include "name_check.h"

#include <stdint.h>
#include <stdio.h>

#include <lauxlib.h>

#include "allocator.h"
#include "copy.h"
#include "copy_blocks.h"
#include "core/service.h"
#include "host_private.h"

#ifdef REEF_JEMALLOC
#include <jemalloc/jemalloc.h>

/* Statistics are snapshots: this takes a new one. */
static void memory_refresh(void) {
	uint64_t epoch = 1;
	size_t size = sizeof(epoch);
	mallctl("epoch", &epoch, &size, &epoch, size);
}

/* The statistic `name`, whatever its width; false if there is none. */
static bool statistic_read(const char *name, size_t *value) {
	uint64_t wide = 0;
	size_t size = sizeof(wide);
	if (mallctl(name, &wide, &size, NULL, 0) == 0) {
		*value = (size_t)wide;
		return true;
	}
	uint32_t narrow = 0;
	size = sizeof(narrow);
	if (mallctl(name, &narrow, &size, NULL, 0) == 0) {
		*value = narrow;
		return true;
	}
	bool flag = false;
	size = sizeof(flag);
	if (mallctl(name, &flag, &size, NULL, 0) == 0) {
		*value = flag;
		return true;
	}
	return false;
}

static size_t count_blocks(const char *kinds, const char *field) {
	char name[80];
	size_t n = 0, total = 0;
	snprintf(name, sizeof(name), "arenas.n%s", kinds);
	statistic_read(name, &n);
	for (size_t i = 0; i < n; i++) {
		size_t count = 0;
		snprintf(name, sizeof(name), "stats.arenas.%u.%s.%zu.%s", (unsigned)MALLCTL_ARENAS_ALL, kinds, i, field);
		statistic_read(name, &count);
		total += count;
	}
	return total;
}

/* blocks() -> living allocations */
static int memory_blocks(lua_State *L) {
	memory_refresh();
	lua_pushinteger(L, (lua_Integer)(count_blocks("bins", "curregs") + count_blocks("lextents", "curlextents")));
	return 1;
}

/* number(name) -> value of a statistic or option, or nil */
static int memory_number(lua_State *L) {
	size_t value = 0;
	memory_refresh();
	if (!statistic_read(reef_check_name(L, 1), &value)) {
		return 0;
	}
	lua_pushinteger(L, (lua_Integer)value);
	return 1;
}

static int memory_failed(lua_State *L, const char *what) {
	return luaL_error(L, "%s: the allocator refuses (was the process started with MALLOC_CONF=prof:true?)", what);
}

/* profile([on]) -> was it on */
static int memory_profile(lua_State *L) {
	bool was = false, on = lua_toboolean(L, 1);
	size_t size = sizeof(was);
	bool set = !lua_isnoneornil(L, 1);
	if (mallctl("prof.active", &was, &size, set ? &on : NULL, set ? sizeof(on) : 0) != 0 && set) {
		return memory_failed(L, "profactive");
	}
	lua_pushboolean(L, was);
	return 1;
}

/* dump(): writes a heap profile, to where MALLOC_CONF's prof_prefix says */
static int memory_dump(lua_State *L) {
	if (mallctl("prof.dump", NULL, NULL, NULL, 0) != 0) {
		return memory_failed(L, "dumpheap");
	}
	return 0;
}

static void memory_append(void *ud, const char *text) {
	luaL_addstring(ud, text);
}

/* report([options]) -> text of malloc_stats_print */
static int memory_report(lua_State *L) {
	const char *options = reef_opt_name(L, 1, NULL);
	luaL_Buffer b;
	luaL_buffinit(L, &b);
	malloc_stats_print(memory_append, &b, options);
	luaL_pushresult(&b);
	return 1;
}

#else

static int memory_nothing(lua_State *L) {
	(void)L;
	return 0;
}

static int memory_refuse(lua_State *L) {
	return luaL_error(L, "this reef was built without jemalloc");
}

#define memory_blocks memory_nothing
#define memory_number memory_nothing
#define memory_profile memory_refuse
#define memory_dump memory_refuse
#define memory_report memory_refuse

#endif

/* services() -> bytes of every Lua service by handle */
static int memory_services(lua_State *L) {
	size_t room = reef_handle_list(NULL, 0) + 16;
	uint32_t *handles = lua_newuserdatauv(L, room * sizeof(*handles), 0);
	size_t n = reef_handle_list(handles, room);
	lua_createtable(L, 0, (int)n);
	for (size_t i = 0; i < n && i < room; i++) {
		size_t bytes = reef_allocator_bytes(handles[i]);
		if (bytes > 0) {
			lua_pushinteger(L, (lua_Integer)bytes);
			lua_rawseti(L, -2, handles[i]);
		}
	}
	return 1;
}

/* copied([name]) -> is this service's VM a copy of an image; with a name, why those of that service cannot be, or nil */
static int memory_copied(lua_State *L) {
	const char *name = reef_opt_name(L, 1, NULL);
	if (name)
		lua_pushstring(L, reef_copy_refused(name));
	else
		lua_pushboolean(L, reef_host_block(reef_host_get(L)) != NULL);
	return 1;
}

/* template([name]) -> had this service's main function run in the VM that it is a copy of; with a name, why there was no such
 * VM when one was tried last, or nil */
static int memory_template(lua_State *L) {
	const char *name = reef_opt_name(L, 1, NULL);
	if (name)
		lua_pushstring(L, reef_copy_template_refused(name));
	else
		lua_pushboolean(L, reef_host_get(L)->from_template);
	return 1;
}

/* images() -> images of VMs that were made, names that cannot have one, bytes of those that there are; templates that were
 * made, attempts to make one that failed; bytes of VMs that are copies, and of what is mapped for them */
static int memory_images(lua_State *L) {
	struct reef_copy_stat stat;
	reef_copy_stat(&stat);
	lua_pushinteger(L, (lua_Integer)stat.images);
	lua_pushinteger(L, (lua_Integer)stat.refused);
	lua_pushinteger(L, (lua_Integer)stat.bytes);
	lua_pushinteger(L, (lua_Integer)stat.templates);
	lua_pushinteger(L, (lua_Integer)stat.refused_templates);
	lua_pushinteger(L, (lua_Integer)reef_copy_blocks_used());
	lua_pushinteger(L, (lua_Integer)reef_copy_blocks_mapped());
	return 7;
}

int reef_open_memory(lua_State *L) {
	static const luaL_Reg functions[] = {
			{"services", memory_services}, {"copied", memory_copied},
			{"images", memory_images},     {"blocks", memory_blocks},
			{"number", memory_number},     {"profile", memory_profile},
			{"dump", memory_dump},         {"report", memory_report},
			{"template", memory_template}, {NULL, NULL},
	};
	luaL_newlib(L, functions);
	return 1;
}
