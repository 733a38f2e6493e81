/* Samples by allocated bytes: see allocations.h. What is put around the allocator belongs to the VM, whose last block takes
 * it along. */
#include "allocations.h"

#include <stdint.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "core/host/host.h"
#include "core/service.h"
#include "sampler.h"

struct watched {
	lua_Alloc stock;
	void *ud;
	lua_State *L; /* the main thread */
	uint32_t handle;
	uint64_t every, since; /* bytes: between samples, since the last one */
};

static void end_watch(struct watched *w) {
	lua_setallocf(w->L, w->stock, w->ud);
	reef_free(w);
}

static void *watched_alloc(void *ud, void *p, size_t old_size, size_t new_size) {
	struct watched *w = ud;
	void *q = w->stock(w->ud, p, old_size, new_size);
	if (new_size == 0) {
		if (p == (char *)w->L - LUA_EXTRASPACE)
			reef_free(w); /* the VM itself is gone */
		return q;
	}
	size_t had = p ? old_size : 0;
	if (!q || new_size <= had)
		return q;
	w->since += new_size - had;
	if (w->since < w->every)
		return q;
	if (!reef_sampler_wants_bytes(w->handle)) {
		end_watch(w);
		return q;
	}
	reef_sampler_allocated(w->since);
	w->since = 0;
	return q;
}

static struct watched *watch_of(lua_State *L) {
	void *ud;
	return lua_getallocf(L, &ud) == watched_alloc ? ud : NULL;
}

int reef_lua_allocations_watch(lua_State *L) {
	lua_Integer every = luaL_checkinteger(L, 1);
	struct watched *w = watch_of(L);
	luaL_argcheck(L, every > 0, 1, "bytes between samples");
	if (!w) {
		struct reef_host *host = reef_host_of(L);
		w = reef_calloc(1, sizeof(*w));
		w->stock = lua_getallocf(L, &w->ud);
		w->L = reef_host_main(host);
		w->handle = reef_service_handle(reef_host_service(host));
		lua_setallocf(L, watched_alloc, w);
	}
	w->every = (uint64_t)every;
	return 0;
}

int reef_lua_allocations_unwatch(lua_State *L) {
	struct watched *w = watch_of(L);
	if (w && !reef_sampler_wants_bytes(w->handle))
		end_watch(w);
	return 0;
}
