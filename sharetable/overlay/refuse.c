/* What the hooks call when stock Lua would go wrong: refusing to write; and the seed. */
#include "ov.h"

#include "owner.h"
#include "path.h"

#include <pthread.h>
#include <sys/random.h>
#include <time.h>

l_noret reef_shared_refuse(lua_State *L, Table *t, const TValue *key) {
	char path[512];
	reef_owner_of(t)->path(reef_owner_of(t), t, path, sizeof(path));
	if (key == NULL)
		luaG_runerror(L, "can't setmetatable to shared table: %s is read-only", path);
	reef_path_append(path, sizeof(path), key);
	luaG_runerror(L, "attempt to change a shared table: %s is read-only", path);
}

l_noret reef_shared_refuse_slot(lua_State *L, Table *t, const TValue *slot) {
	TValue key;
	if (slot >= t->array && slot < t->array + luaH_realasize(t)) {
		setivalue(&key, slot - t->array + 1);
	} else {
		getnodekey(L, &key, cast(const Node *, slot));
	}
	reef_shared_refuse(L, t, &key);
}

static unsigned int seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void) {
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (unsigned int)time(NULL) ^ (unsigned int)(size_t)&seed;
}

unsigned int reef_shared_seed(void) {
	pthread_once(&seed_once, make_seed);
	return seed;
}
