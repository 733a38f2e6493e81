/* The code cache: a hash table of versions by file name under one lock, held for a few instructions each time. */
#include "codecache.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <lauxlib.h>

#include "core/alloc.h"
#include "snapshot.h"
#include "vm.h"

struct reef_code {
	struct reef_code *next; /* in its chain, or in the list of evicted ones */
	struct reef_snapshot *snapshot;
	size_t vms;
	size_t keepers; /* records that copies of VMs are made from */
	uint32_t hash;
	bool current;
	bool binary; /* it was compiled before it was loaded */
	char name[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_code **chains; /* current versions */
static size_t chain_count, code_count;
static struct reef_code *evicted;     /* still used */
static atomic_uint_least64_t version; /* how often files were to be read again */

static uint32_t codecache_hash_of(const char *name) {
	uint32_t h = 2166136261u;
	for (; *name != '\0'; name++)
		h = (h ^ (unsigned char)*name) * 16777619u;
	return h;
}

static struct reef_code *codecache_find(const char *name, uint32_t hash) {
	struct reef_code *code = chain_count == 0 ? NULL : chains[hash & (chain_count - 1)];
	while (code != NULL && (code->hash != hash || strcmp(code->name, name) != 0))
		code = code->next;
	return code;
}

/* With the lock held. False when out of memory. */
static bool codecache_grow(void) {
	size_t count = chain_count == 0 ? 256 : chain_count * 2;
	struct reef_code **larger = reef_try_malloc(count * sizeof(*larger));
	if (larger == NULL)
		return chain_count > 0;
	memset(larger, 0, count * sizeof(*larger));
	for (size_t i = 0; i < chain_count; i++) {
		for (struct reef_code *c = chains[i], *next; c != NULL; c = next) {
			next = c->next;
			c->next = larger[c->hash & (count - 1)];
			larger[c->hash & (count - 1)] = c;
		}
	}
	reef_free(chains);
	chains = larger;
	chain_count = count;
	return true;
}

static bool insert(struct reef_code *code) {
	if (code_count >= chain_count && !codecache_grow())
		return false;
	struct reef_code **chain = &chains[code->hash & (chain_count - 1)];
	code->next = *chain;
	*chain = code;
	code_count++;
	return true;
}

static void delete_code(struct reef_code *code) {
	reef_snapshot_delete(code->snapshot);
	reef_free(code);
}

/* With the lock held. */
static void use(struct reef_vm *vm, struct reef_code *code) {
	for (size_t i = 0; i < vm->codes.count; i++) {
		if (vm->codes.items[i] == code)
			return;
	}
	vm->codes.items[vm->codes.count++] = code;
	code->vms++;
}

static bool is_binary(const char *name) {
	FILE *file = fopen(name, "rb");
	int first = file == NULL ? EOF : getc(file);
	if (file != NULL)
		fclose(file);
	return first == LUA_SIGNATURE[0];
}

/* Makes a version of the function on top of the stack, or finds that somebody else has meanwhile. NULL when there is no
 * memory for it, or when it is old since a file was to be read again after this one was begun, which is what `before` says: the
 * function itself will do then. */
static struct reef_code *codecache_add(lua_State *L, struct reef_vm *vm, const char *name, uint32_t hash,
									   uint64_t before) {
	char why[128];
	if (atomic_load(&version) != before)
		return NULL;
	struct reef_snapshot *snapshot = reef_snapshot_code(L, -1, name, why, sizeof(why));
	if (snapshot == NULL)
		return NULL;
	struct reef_code *fresh = reef_try_malloc(sizeof(*fresh) + strlen(name) + 1);
	if (fresh == NULL || !reef_array_reserve(&vm->codes, 1)) {
		reef_free(fresh);
		reef_snapshot_delete(snapshot);
		return NULL;
	}
	*fresh = (struct reef_code){.snapshot = snapshot, .hash = hash, .current = true, .binary = is_binary(name)};
	strcpy(fresh->name, name);
	pthread_mutex_lock(&lock);
	struct reef_code *code = codecache_find(name, hash);
	if (code == NULL && atomic_load(&version) == before && insert(fresh))
		code = fresh;
	if (code != NULL)
		use(vm, code);
	pthread_mutex_unlock(&lock);
	if (code != fresh)
		delete_code(fresh);
	return code;
}

int reef_codecache_load(lua_State *L, const char *name, const char *mode) {
	struct reef_vm *vm = reef_vm_of(L);
	if (name == NULL || vm->cache_mode == REEF_CACHE_OFF)
		return luaL_loadfilex(L, name, mode);
	uint32_t hash = codecache_hash_of(name);
	if (!reef_array_reserve(&vm->codes, 1))
		return luaL_loadfilex(L, name, mode);
	pthread_mutex_lock(&lock);
	struct reef_code *code = codecache_find(name, hash);
	bool allowed = code != NULL && (mode == NULL || strchr(mode, code->binary ? 'b' : 't') != NULL);
	if (allowed)
		use(vm, code);
	pthread_mutex_unlock(&lock);
	if (!allowed) {
		uint64_t before = atomic_load(&version);
		int status = luaL_loadfilex(L, name, mode);
		if (status != LUA_OK || code != NULL || vm->cache_mode != REEF_CACHE_ON)
			return status;
		code = codecache_add(L, vm, name, hash, before);
		if (code == NULL)
			return LUA_OK;
		lua_pop(L, 1);
	}
	reef_snapshot_push(L, code->snapshot);
	return LUA_OK;
}

static bool is_unused(const struct reef_code *code) {
	return code->vms == 0 && code->keepers == 0;
}

/* With the lock held: takes a version out of its chain. Returns it if nobody uses it. */
static struct reef_code *unlink_code(struct reef_code **link) {
	struct reef_code *code = *link;
	*link = code->next;
	code->next = NULL;
	code->current = false;
	code_count--;
	if (is_unused(code))
		return code;
	code->next = evicted;
	evicted = code;
	return NULL;
}

size_t reef_codecache_evict(const char *name) {
	struct reef_code *unused = NULL;
	size_t count = 0;
	uint32_t hash = codecache_hash_of(name);
	pthread_mutex_lock(&lock);
	atomic_fetch_add(&version, 1);
	struct reef_code *code = codecache_find(name, hash);
	if (code != NULL) {
		struct reef_code **link = &chains[hash & (chain_count - 1)];
		while (*link != code)
			link = &(*link)->next;
		unused = unlink_code(link);
		count = 1;
	}
	pthread_mutex_unlock(&lock);
	if (unused != NULL)
		delete_code(unused);
	return count;
}

static void delete_list(struct reef_code *list) {
	for (struct reef_code *next; list != NULL; list = next) {
		next = list->next;
		delete_code(list);
	}
}

size_t reef_codecache_clear(void) {
	struct reef_code *unused = NULL;
	pthread_mutex_lock(&lock);
	atomic_fetch_add(&version, 1);
	size_t count = code_count;
	for (size_t i = 0; i < chain_count; i++) {
		while (chains[i] != NULL) {
			struct reef_code *code = unlink_code(&chains[i]);
			if (code != NULL) {
				code->next = unused;
				unused = code;
			}
		}
	}
	pthread_mutex_unlock(&lock);
	delete_list(unused);
	return count;
}

/* With the lock held. Evicted versions are few. */
static void unlink_evicted(struct reef_code *code) {
	struct reef_code **link = &evicted;
	while (*link != code)
		link = &(*link)->next;
	*link = code->next;
}

/* A VM, or a keeper, is gone. */
static void leave_codes(struct reef_vm *vm, bool is_keeper) {
	struct reef_code *unused = NULL;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < vm->codes.count; i++) {
		struct reef_code *code = vm->codes.items[i];
		if (is_keeper)
			code->keepers--;
		else
			code->vms--;
		if (is_unused(code) && !code->current) {
			unlink_evicted(code);
			code->next = unused;
			unused = code;
		}
	}
	pthread_mutex_unlock(&lock);
	delete_list(unused);
	reef_array_fini(&vm->codes);
}

void reef_codecache_leave(struct reef_vm *vm) {
	leave_codes(vm, false);
}

void reef_codecache_let_go(struct reef_vm *kept) {
	leave_codes(kept, true);
}

void reef_codecache_keep(struct reef_vm *kept, struct reef_vm *vm) {
	pthread_mutex_lock(&lock);
	kept->codes = vm->codes;
	memset(&vm->codes, 0, sizeof(vm->codes));
	for (size_t i = 0; i < kept->codes.count; i++) {
		kept->codes.items[i]->vms--;
		kept->codes.items[i]->keepers++;
	}
	pthread_mutex_unlock(&lock);
}

bool reef_codecache_copy(struct reef_vm *vm, const struct reef_vm *kept) {
	size_t count = kept->codes.count;
	if (!reef_array_reserve(&vm->codes, count))
		return false;
	if (count > 0)
		memcpy(vm->codes.items, kept->codes.items, count * sizeof(*vm->codes.items));
	vm->codes.count = count;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < count; i++)
		vm->codes.items[i]->vms++;
	pthread_mutex_unlock(&lock);
	return true;
}

uint64_t reef_codecache_version(void) {
	return atomic_load_explicit(&version, memory_order_relaxed);
}

static void stat_code(const struct reef_code *code, void (*each)(void *, const struct reef_code_stat *), void *ud) {
	struct reef_code_stat stat = {code->name, reef_snapshot_size(code->snapshot), code->vms, code->current};
	each(ud, &stat);
}

void reef_codecache_stat(void (*each)(void *ud, const struct reef_code_stat *stat), void *ud) {
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < chain_count; i++) {
		for (struct reef_code *code = chains[i]; code != NULL; code = code->next)
			stat_code(code, each, ud);
	}
	for (struct reef_code *code = evicted; code != NULL; code = code->next)
		stat_code(code, each, ud);
	pthread_mutex_unlock(&lock);
}
