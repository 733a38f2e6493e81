/* Versions of named tables: a hash table of names under one lock. Who compares two versions for an update does so without
 * the lock, and counts what he uses. */
#include "sharetable/overlay/ov.h" /* before lua.h, which shows less to those who are not of Lua's core */

#include "versions.h"

#include <pthread.h>
#include <string.h>

#include "change.h"
#include "core/alloc.h"
#include "core/service.h"
#include "core/slice.h"
#include "sharetable/overlay/referrers.h"
#include "snapshot.h"
#include "vm.h"
#include "walk.h"

/* What makes one version from another; used by all VMs that go over. */
struct passage {
	struct reef_change *change;
	uint64_t to;
	size_t users; /* the version it starts from, and updates under way */
};

struct reef_version {
	struct reef_version *next; /* of the same name, newest first */
	struct table_name *name;
	struct reef_snapshot *snapshot;
	struct reef_holder *holders;
	struct passage *passage;
	uint64_t number;
};

/* A VM that holds a version. */
struct reef_holder {
	struct reef_holder *next, **link; /* among the version's holders */
	struct reef_version *version;
	uint32_t address;
	uint64_t to; /* number of the version that the last update has put in the place of this one */
	size_t left;
	const char *pinned_by;
};

struct table_name {
	struct table_name *next;
	struct reef_version *versions; /* the first is current */
	uint32_t hash;
	char text[];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
/* Publishers one after the other: the comparison with the version before is made before the new one is seen. */
static pthread_mutex_t publishing = PTHREAD_MUTEX_INITIALIZER;
static struct table_name **chains;
static size_t chain_count, name_count;
static uint64_t last_number;

/* ---- names; with the lock held ---- */

static uint32_t versions_hash_of(const char *text) {
	uint32_t h = 2166136261u;
	for (; *text != '\0'; text++)
		h = (h ^ (unsigned char)*text) * 16777619u;
	return h;
}

static struct table_name *versions_find(const char *text) {
	uint32_t hash = versions_hash_of(text);
	struct table_name *name = chain_count == 0 ? NULL : chains[hash & (chain_count - 1)];
	while (name != NULL && (name->hash != hash || strcmp(name->text, text) != 0))
		name = name->next;
	return name;
}

/* False when out of memory; longer chains will do if there are any. */
static bool versions_grow(void) {
	size_t count = chain_count == 0 ? 64 : chain_count * 2;
	struct table_name **larger = reef_try_malloc(count * sizeof(*larger));
	if (larger == NULL)
		return chain_count > 0;
	memset(larger, 0, count * sizeof(*larger));
	for (size_t i = 0; i < chain_count; i++) {
		for (struct table_name *name = chains[i], *next; name != NULL; name = next) {
			next = name->next;
			name->next = larger[name->hash & (count - 1)];
			larger[name->hash & (count - 1)] = name;
		}
	}
	reef_free(chains);
	chains = larger;
	chain_count = count;
	return true;
}

/* NULL when out of memory. */
static struct table_name *find_or_add(const char *text) {
	struct table_name *name = versions_find(text);
	if (name != NULL)
		return name;
	if (name_count >= chain_count && !versions_grow())
		return NULL;
	name = reef_try_malloc(sizeof(*name) + strlen(text) + 1);
	if (name == NULL)
		return NULL;
	name->versions = NULL;
	strcpy(name->text, text);
	name->hash = versions_hash_of(text);
	name->next = chains[name->hash & (chain_count - 1)];
	chains[name->hash & (chain_count - 1)] = name;
	name_count++;
	return name;
}

/* ---- versions; with the lock held ---- */

static bool is_current(const struct reef_version *version) {
	return version->name->versions == version;
}

/* Returns what is to be deleted without the lock. */
static struct reef_change *leave_passage(struct passage *passage) {
	if (passage == NULL || --passage->users > 0)
		return NULL;
	struct reef_change *change = passage->change;
	reef_free(passage);
	return change;
}

/* Unlinks a version that nobody needs, and hangs it into the list `unused`. */
static void drop_if_unused(struct reef_version *version, struct reef_version **unused) {
	if (version->holders != NULL || is_current(version))
		return;
	struct reef_version **link = &version->name->versions;
	while (*link != version)
		link = &(*link)->next;
	*link = version->next;
	version->next = *unused;
	*unused = version;
}

static struct reef_holder *holder_of(const struct reef_vm *vm, const struct reef_version *version) {
	for (size_t i = 0; i < vm->holders.count; i++) {
		if (vm->holders.items[i]->version == version)
			return vm->holders.items[i];
	}
	return NULL;
}

/* False when out of memory. */
static bool hold(struct reef_vm *vm, struct reef_version *version) {
	if (holder_of(vm, version) != NULL)
		return true;
	if (!reef_array_reserve(&vm->holders, 1))
		return false;
	struct reef_service *service = reef_slice_service();
	struct reef_holder *holder = reef_try_malloc(sizeof(*holder));
	if (holder == NULL)
		return false;
	*holder = (struct reef_holder){.next = version->holders,
								   .link = &version->holders,
								   .version = version,
								   .address = service == NULL ? 0 : reef_service_handle(service)};
	if (version->holders != NULL)
		version->holders->link = &holder->next;
	version->holders = holder;
	vm->holders.items[vm->holders.count++] = holder;
	return true;
}

static void unhold(struct reef_holder *holder, struct reef_version **unused) {
	*holder->link = holder->next;
	if (holder->next != NULL)
		holder->next->link = holder->link;
	drop_if_unused(holder->version, unused);
	reef_free(holder);
}

/* ---- without the lock ---- */

static void delete_versions(struct reef_version *unused) {
	for (struct reef_version *next; unused != NULL; unused = next) {
		next = unused->next;
		if (unused->passage != NULL)
			reef_change_delete(unused->passage->change);
		reef_free(unused->passage);
		reef_snapshot_delete(unused->snapshot);
		reef_free(unused);
	}
}

static struct passage *new_passage(const struct reef_version *from, const struct reef_snapshot *to, uint64_t number) {
	struct reef_change *change = reef_change_new(from->snapshot, to);
	if (change == NULL)
		return NULL;
	struct passage *passage = reef_try_malloc(sizeof(*passage));
	if (passage == NULL) {
		reef_change_delete(change);
		return NULL;
	}
	*passage = (struct passage){.change = change, .to = number, .users = 1};
	return passage;
}

bool reef_versions_publish(struct reef_snapshot *snapshot) {
	struct reef_version *unused = NULL, *version = reef_try_malloc(sizeof(*version));
	pthread_mutex_lock(&publishing);
	pthread_mutex_lock(&lock);
	struct table_name *name = find_or_add(reef_snapshot_name(snapshot));
	struct reef_version *old = name == NULL ? NULL : name->versions;
	bool compare = old != NULL && old->holders != NULL;
	uint64_t number = ++last_number;
	pthread_mutex_unlock(&lock);
	/* The current version stays what it is as long as we are publishing. */
	struct passage *passage = compare ? new_passage(old, snapshot, number) : NULL;
	bool ok = version != NULL && name != NULL && (!compare || passage != NULL);
	if (ok) {
		pthread_mutex_lock(&lock);
		*version = (struct reef_version){.next = old, .name = name, .snapshot = snapshot, .number = number};
		name->versions = version;
		if (old != NULL) {
			old->passage = passage;
			drop_if_unused(old, &unused);
		}
		pthread_mutex_unlock(&lock);
	} else {
		if (passage != NULL)
			reef_change_delete(passage->change);
		reef_free(passage);
		reef_free(version);
		reef_snapshot_delete(snapshot);
	}
	pthread_mutex_unlock(&publishing);
	delete_versions(unused);
	return ok;
}

bool reef_versions_query(lua_State *L, const char *text) {
	struct reef_vm *vm = reef_vm_of(L);
	pthread_mutex_lock(&lock);
	struct table_name *name = versions_find(text);
	struct reef_version *version = name == NULL ? NULL : name->versions;
	bool ok = version == NULL || hold(vm, version);
	pthread_mutex_unlock(&lock);
	/* At the first one, while little is in the VM: not when many things are. */
	if (!ok || (version != NULL && !reef_referrers_begin(L)))
		luaM_error(L);
	if (version != NULL)
		reef_snapshot_push(L, version->snapshot);
	return version != NULL;
}

bool reef_versions_held(lua_State *L, const char *text, uint64_t *number) {
	const struct reef_vm *vm = reef_vm_of(L);
	const struct reef_version *newest = NULL;
	pthread_mutex_lock(&lock);
	const struct table_name *name = versions_find(text);
	for (size_t i = 0; i < vm->holders.count; i++) {
		const struct reef_version *version = vm->holders.items[i]->version;
		if (version->name == name && (newest == NULL || version->number > newest->number))
			newest = version;
	}
	pthread_mutex_unlock(&lock);
	if (newest == NULL)
		return false;
	*number = newest->number;
	reef_snapshot_push(L, newest->snapshot);
	return true;
}

/* ---- updates ---- */

struct update {
	struct reef_walk *walks;
	struct reef_holder **holders;
	struct passage **passages;
	int count;
};

/* A way from the holder's version to another one, which the VM holds, too. NULL when out of memory. Takes the lock
 * for good, and may let go of it in between. */
static struct passage *find_passage(struct reef_holder *holder, const struct reef_version *to) {
	struct reef_version *version = holder->version;
	if (version->passage == NULL || version->passage->to != to->number) {
		pthread_mutex_unlock(&lock);
		struct passage *passage = new_passage(version, to->snapshot, to->number);
		pthread_mutex_lock(&lock);
		if (passage == NULL)
			return NULL;
		reef_change_delete(leave_passage(version->passage));
		version->passage = passage;
	}
	version->passage->users++;
	return version->passage;
}

/* What a holder's version is to become; NULL: it stays. Without `rest` that is the current version, of that name or of any;
 * with it only what an update has left is gone through again, towards the version that this update has brought. */
static struct reef_version *target_of(const struct reef_vm *vm, const struct reef_holder *holder, const char *text,
									  bool rest) {
	const struct table_name *name = holder->version->name;
	if (is_current(holder->version) || (text != NULL && strcmp(name->text, text) != 0) || (rest && holder->left == 0))
		return NULL;
	if (!rest)
		return name->versions;
	for (size_t i = 0; i < vm->holders.count; i++) {
		if (vm->holders.items[i]->version->number == holder->to)
			return vm->holders.items[i]->version;
	}
	return NULL;
}

/* With the lock held. */
static bool versions_prepare(struct update *update, struct reef_vm *vm, const char *text, bool rest) {
	size_t count = vm->holders.count;
	update->walks = reef_try_malloc(count * sizeof(*update->walks));
	update->holders = reef_try_malloc(count * sizeof(struct reef_holder *));
	update->passages = reef_try_malloc(count * sizeof(struct passage *));
	bool ok = update->walks != NULL && update->holders != NULL && update->passages != NULL;
	for (unsigned int i = 0; ok && i < count; i++) {
		struct reef_holder *holder = vm->holders.items[i];
		struct reef_version *to = target_of(vm, holder, text, rest);
		if (to == NULL)
			continue;
		struct passage *passage = hold(vm, to) ? find_passage(holder, to) : NULL;
		if (passage == NULL)
			return false;
		reef_snapshot_walk(holder->version->snapshot, &update->walks[update->count]);
		update->walks[update->count].change = passage->change;
		update->holders[update->count] = holder;
		update->passages[update->count] = passage;
		update->count++;
	}
	return ok;
}

/* With the lock held: what is proved to be without references is let go. */
static void versions_settle(struct update *update, struct reef_vm *vm, bool walked, struct reef_version **unused) {
	for (int i = 0; i < update->count; i++) {
		struct reef_holder *holder = update->holders[i];
		uint64_t to = update->passages[i]->to;
		reef_change_delete(leave_passage(update->passages[i]));
		if (!walked)
			continue;
		holder->to = to;
		holder->left = update->walks[i].left;
		holder->pinned_by = update->walks[i].pinned_by;
		if (holder->left > 0)
			continue;
		for (unsigned int k = 0; k < vm->holders.count; k++) {
			if (vm->holders.items[k] == holder) {
				vm->holders.items[k] = vm->holders.items[--vm->holders.count];
				break;
			}
		}
		unhold(holder, unused);
	}
}

static bool go_over(lua_State *L, const char *text, bool rest) {
	struct reef_vm *vm = reef_vm_of(L);
	struct reef_version *unused = NULL;
	struct update update = {0};
	if (vm->holders.count == 0)
		return true;
	pthread_mutex_lock(&lock);
	bool ok = versions_prepare(&update, vm, text, rest);
	pthread_mutex_unlock(&lock);
	ok = ok && reef_walk(L, update.walks, update.count);
	pthread_mutex_lock(&lock);
	versions_settle(&update, vm, ok, &unused);
	pthread_mutex_unlock(&lock);
	delete_versions(unused);
	reef_free(update.walks);
	reef_free(update.holders);
	reef_free(update.passages);
	return ok;
}

bool reef_versions_update(lua_State *L, const char *text) {
	return go_over(L, text, false);
}

bool reef_versions_update_rest(lua_State *L) {
	return go_over(L, NULL, true);
}

bool reef_versions_pinned(struct reef_vm *vm) {
	bool pinned = false;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < vm->holders.count; i++)
		pinned |= !is_current(vm->holders.items[i]->version) && vm->holders.items[i]->left > 0;
	pthread_mutex_unlock(&lock);
	return pinned;
}

void reef_versions_leave(struct reef_vm *vm) {
	struct reef_version *unused = NULL;
	if (vm->holders.count > 0) {
		pthread_mutex_lock(&lock);
		for (size_t i = 0; i < vm->holders.count; i++)
			unhold(vm->holders.items[i], &unused);
		pthread_mutex_unlock(&lock);
		delete_versions(unused);
	}
	reef_array_fini(&vm->holders);
}

static void stat_version(const struct reef_version *version, void (*each)(void *, const struct reef_version_stat *),
						 void *ud) {
	struct reef_version_stat stat = {.name = version->name->text,
									 .number = version->number,
									 .bytes = reef_snapshot_size(version->snapshot),
									 .current = is_current(version)};
	if (version->holders == NULL)
		each(ud, &stat);
	for (const struct reef_holder *holder = version->holders; holder != NULL; holder = holder->next) {
		stat.address = holder->address;
		stat.left = holder->left;
		stat.pinned_by = holder->pinned_by;
		each(ud, &stat);
	}
}

void reef_versions_stat(void (*each)(void *ud, const struct reef_version_stat *stat), void *ud) {
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < chain_count; i++) {
		for (const struct table_name *name = chains[i]; name != NULL; name = name->next) {
			for (const struct reef_version *version = name->versions; version != NULL; version = version->next)
				stat_version(version, each, ud);
		}
	}
	pthread_mutex_unlock(&lock);
}
