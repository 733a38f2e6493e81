/* Which services begin as copies: names, how often they were launched, and their images.
 *
 * Names are found without a lock, and are kept as long as the process; there are as many as service files, and a bound.
 * Images are replaced while others copy them, so they are freed by epochs. One worker at a time makes an image of a name,
 * others go the long way meanwhile. Any thread inside the engine. */
#include "copy.h"

#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "copy_image.h"
#include "core/alloc.h"
#include "core/env.h"
#include "core/epoch.h"
#include "core/service.h"
#include "host_private.h"
#include "load.h"
#include "prepare.h"
#include "watch.h"

enum { CHAINS = 256, MAX_NAMES = 1024, MAX_TRIES = 3, MAX_TEMPLATES = 8 };
enum { MOST_BYTES = 64 << 20 }; /* of images; beyond that there are no more templates */

struct copy_template {
	struct reef_image *image;
	char *arguments; /* that it is for; NULL: all */
};

/* An image, and what it was made under. */
struct copy_version {
	_Atomic(struct copy_template *) templates[MAX_TEMPLATES];
	/* Hashes of arguments that were seen: who comes again gets a template. */
	atomic_uint_least64_t seen[MAX_TEMPLATES];
	atomic_uint last_seen;
	atomic_int template_tries; /* in vain */
	struct reef_image *image;
	uint64_t code;
	atomic_size_t variables; /* of the environment, the last time that the paths were looked at */
	const char *paths[2];    /* lua_path, lua_cpath, luaservice as they were */
	const char *services;
};

struct copy_name {
	struct copy_name *next;
	_Atomic(struct copy_version *) version;
	atomic_bool launched; /* since there was an image last */
	atomic_bool busy;     /* somebody makes an image */
	atomic_int tries;     /* in vain, one after the other */
	_Atomic(const char *) refused, template_refused;
	size_t size;
	char name[];
};

static _Atomic(struct copy_name *) chains[CHAINS];
static atomic_size_t name_count, image_bytes;
static atomic_uint_least64_t made, refused, templates_made, templates_refused;

static uint64_t hash_of(const char *text, size_t size) {
	uint64_t hash = 14695981039346656037u;
	for (size_t i = 0; i < size; i++)
		hash = (hash ^ (unsigned char)text[i]) * 1099511628211u;
	return hash;
}

static _Atomic(struct copy_name *) *chain_of(const char *name, size_t size) {
	uint64_t hash = hash_of(name, size);
	return &chains[(hash ^ (hash >> 32)) % CHAINS];
}

static struct copy_name *find_name(const char *name, size_t size) {
	struct copy_name *entry = atomic_load_explicit(chain_of(name, size), memory_order_acquire);
	while (entry && (entry->size != size || memcmp(entry->name, name, size) != 0))
		entry = entry->next;
	return entry;
}

/* Two may add the same name at the same time: the later one is found, the other does no harm. */
static void add_name(const char *name, size_t size) {
	if (atomic_fetch_add(&name_count, 1) >= MAX_NAMES) {
		atomic_fetch_sub(&name_count, 1);
		return;
	}
	struct copy_name *entry = reef_calloc(1, sizeof(*entry) + size + 1);
	entry->size = size;
	memcpy(entry->name, name, size);
	atomic_store(&entry->launched, true);
	_Atomic(struct copy_name *) *chain = chain_of(name, size);
	entry->next = atomic_load(chain);
	while (!atomic_compare_exchange_weak(chain, &entry->next, entry))
		;
}

static size_t bytes_of(const struct reef_image *image) {
	return image->size + image->lent_size;
}

static void delete_template(void *p) {
	struct copy_template *template = p;
	atomic_fetch_sub(&image_bytes, bytes_of(template->image));
	reef_image_delete(template->image);
	reef_free(template->arguments);
	reef_free(template);
}

static void delete_version(void *p) {
	struct copy_version *version = p;
	for (int i = 0; i < MAX_TEMPLATES; i++) {
		struct copy_template *template = atomic_load(&version->templates[i]);
		if (template)
			delete_template(template);
	}
	atomic_fetch_sub(&image_bytes, bytes_of(version->image));
	reef_image_delete(version->image);
	reef_free(version);
}

/* ---- is it still true? ---- */

static void read_paths(struct copy_version *version) {
	version->paths[0] = reef_env_get("lua_path");
	version->paths[1] = reef_env_get("lua_cpath");
	version->services = reef_env_get("luaservice");
}

static bool may_copy(void) {
	const char *wanted = reef_env_get("copy_vms");
	return reef_host_hooks()->record != NULL && reef_load_has_own_loader() && reef_env_get("preload") == NULL &&
		   !(wanted && strcmp(wanted, "false") == 0);
}

/* Variables are set once and for all, so the addresses of their values tell. */
static bool has_same_paths(struct copy_version *version) {
	size_t variables = reef_env_count();
	if (atomic_load_explicit(&version->variables, memory_order_relaxed) == variables)
		return true;
	struct copy_version now;
	read_paths(&now);
	if (now.paths[0] != version->paths[0] || now.paths[1] != version->paths[1] || now.services != version->services ||
		!may_copy())
		return false;
	atomic_store_explicit(&version->variables, variables, memory_order_relaxed);
	return true;
}

/* Is its main file still the first one that is there? One that could not be read is there. */
static bool has_same_file(const struct reef_image *image) {
	const char *end = image->passed + image->passed_size;
	for (const char *file = image->passed; image->passed && file < end; file += strlen(file) + 1)
		if (access(file, F_OK) == 0)
			return false;
	return true;
}

/* ---- making images ---- */

/* Has nothing gone wrong but for this time? Who has no memory, or is to end, fails where the next one does not. */
static bool is_passing(const struct reef_host *host, const char *why) {
	return why == reef_no_memory || reef_service_ending(host->service);
}

static struct copy_version *make_version(const struct reef_host *host, const char *arguments, const char **why) {
	struct copy_version *version = reef_calloc(1, sizeof(*version));
	/* Before what they are about: who sets something meanwhile makes it old. */
	version->code = reef_host_hooks()->record->version();
	version->variables = reef_env_count();
	read_paths(version);
	version->image = reef_image_make(host, arguments, false, why);
	if (version->image && has_same_file(version->image))
		return version;
	if (version->image) {
		*why = "a main file that was passed over";
		reef_image_delete(version->image);
	}
	reef_free(version);
	return NULL;
}

static void make_image(struct copy_name *entry, const struct reef_host *host, const char *arguments) {
	if (atomic_exchange(&entry->busy, true))
		return;
	const char *why = NULL;
	struct copy_version *version = NULL;
	if (atomic_load(&entry->version) == NULL)
		version = make_version(host, arguments, &why);
	if (version) {
		atomic_store(&entry->tries, 0);
		atomic_store(&entry->refused, NULL);
		atomic_fetch_add(&made, 1);
		atomic_fetch_add(&image_bytes, bytes_of(version->image));
		atomic_store(&entry->version, version);
	} else if (why && !is_passing(host, why) && atomic_fetch_add(&entry->tries, 1) + 1 == MAX_TRIES) {
		atomic_store(&entry->refused, why);
		atomic_fetch_add(&refused, 1);
	}
	atomic_store(&entry->busy, false);
}

/* ---- templates ---- */

static bool is_true(const struct reef_image *image) {
	return reef_watch_finds_the_same(image->notes, image->notes_size);
}

/* The template for these arguments, and where it is. */
static struct copy_template *find_template(struct copy_version *version, const char *arguments, int *place) {
	for (int i = 0; i < MAX_TEMPLATES; i++) {
		struct copy_template *template = atomic_load_explicit(&version->templates[i], memory_order_acquire);
		if (template && (template->arguments == NULL || strcmp(template->arguments, arguments) == 0)) {
			*place = i;
			return template;
		}
	}
	return NULL;
}

/* Will somebody come with the same arguments, as far as that can be known? */
static bool is_worth_a_template(struct copy_version *version, const char *arguments) {
	if (atomic_load_explicit(&version->template_tries, memory_order_relaxed) >= MAX_TRIES ||
		atomic_load_explicit(&image_bytes, memory_order_relaxed) > MOST_BYTES)
		return false;
	if (!version->image->varies)
		return true;
	uint64_t hash = hash_of(arguments, strlen(arguments));
	for (int i = 0; i < MAX_TEMPLATES; i++) {
		if (atomic_load_explicit(&version->seen[i], memory_order_relaxed) == hash)
			return true;
	}
	unsigned place = atomic_fetch_add_explicit(&version->last_seen, 1, memory_order_relaxed);
	atomic_store_explicit(&version->seen[place % MAX_TEMPLATES], hash, memory_order_relaxed);
	return false;
}

static void keep_template(struct copy_version *version, int place, struct reef_image *image, const char *arguments) {
	struct copy_template *template = reef_calloc(1, sizeof(*template));
	template->image = image;
	template->arguments = version->image->varies ? reef_strdup(arguments) : NULL;
	atomic_fetch_add(&templates_made, 1);
	atomic_fetch_add(&image_bytes, bytes_of(image));
	atomic_store(&version->templates[place], template);
}

static void make_template(struct copy_name *entry, struct copy_version *version, const struct reef_host *host,
						  const char *arguments) {
	int place = 0;
	while (place < MAX_TEMPLATES && atomic_load(&version->templates[place]) != NULL)
		place++;
	int other;
	if (place == MAX_TEMPLATES || atomic_exchange(&entry->busy, true))
		return;
	if (atomic_load(&version->templates[place]) != NULL || find_template(version, arguments, &other)) {
		atomic_store(&entry->busy, false);
		return;
	}
	const char *why = NULL;
	struct reef_image *image = reef_image_make(host, arguments, true, &why);
	bool is_old = version->code != reef_host_hooks()->record->version();
	if (image && !is_old && !is_true(image))
		why = "what it finds is another thing by now";
	if (image && (is_old || why)) {
		reef_image_delete(image);
		image = NULL;
	}
	if (image) {
		keep_template(version, place, image, arguments);
		atomic_store(&entry->template_refused, NULL);
	} else if (!is_old && !is_passing(host, why)) {
		atomic_fetch_add(&version->template_tries, 1);
		atomic_fetch_add(&templates_refused, 1);
		atomic_store(&entry->template_refused, why);
	}
	atomic_store(&entry->busy, false);
}

/* A template that is no longer true goes, and the next one is made from what there is now. */
static bool copy_template(struct copy_name *entry, struct copy_version *version, struct reef_host *host,
						  const char *arguments) {
	int place = 0;
	struct copy_template *template = find_template(version, arguments, &place);
	if (template == NULL && is_worth_a_template(version, arguments)) {
		make_template(entry, version, host, arguments);
		template = find_template(version, arguments, &place);
	}
	if (template == NULL)
		return false;
	if (is_true(template->image))
		return reef_image_copy(template->image, host);
	if (atomic_compare_exchange_strong(&version->templates[place], &template, NULL))
		reef_epoch_retire(template, delete_template);
	return false;
}

enum reef_copied reef_copy_boot(struct reef_host *host, const char *arguments) {
	size_t size = reef_load_name_size(arguments);
	struct copy_name *entry = find_name(arguments, size);
	if (entry == NULL || size == 0)
		return REEF_COPIED_NOT;
	struct copy_version *version = atomic_load_explicit(&entry->version, memory_order_acquire);
	if (version && (version->code != reef_host_hooks()->record->version() || !has_same_paths(version))) {
		atomic_store(&entry->launched, false);
		if (atomic_compare_exchange_strong(&entry->version, &version, NULL))
			reef_epoch_retire(version, delete_version);
		return REEF_COPIED_NOT;
	}
	if (version == NULL) {
		if (!atomic_load_explicit(&entry->launched, memory_order_relaxed) ||
			atomic_load_explicit(&entry->tries, memory_order_relaxed) >= MAX_TRIES || !may_copy())
			return REEF_COPIED_NOT;
		make_image(entry, host, arguments);
		version = atomic_load_explicit(&entry->version, memory_order_acquire);
		if (version == NULL || !has_same_file(version->image))
			return REEF_COPIED_NOT;
	} else if (!has_same_file(version->image)) {
		return REEF_COPIED_NOT;
	} else if (copy_template(entry, version, host, arguments)) {
		return REEF_COPIED_BEGUN;
	}
	return reef_image_copy(version->image, host) ? REEF_COPIED_PREPARED : REEF_COPIED_NOT;
}

void reef_copy_note(lua_State *L, const char *arguments) {
	size_t size = reef_load_name_size(arguments);
	if (size == 0 || !lua_isfunction(L, REEF_PREPARED_MAIN) || !may_copy())
		return;
	struct copy_name *entry = find_name(arguments, size);
	if (entry == NULL)
		add_name(arguments, size);
	else if (!atomic_load_explicit(&entry->launched, memory_order_relaxed))
		atomic_store(&entry->launched, true);
}

void reef_copy_stat(struct reef_copy_stat *stat) {
	*stat = (struct reef_copy_stat){.images = atomic_load(&made),
									.refused = atomic_load(&refused),
									.bytes = atomic_load(&image_bytes),
									.templates = atomic_load(&templates_made),
									.refused_templates = atomic_load(&templates_refused)};
}

const char *reef_copy_refused(const char *name) {
	const struct copy_name *entry = find_name(name, strlen(name));
	return entry ? atomic_load(&entry->refused) : NULL;
}

const char *reef_copy_template_refused(const char *name) {
	const struct copy_name *entry = find_name(name, strlen(name));
	return entry ? atomic_load(&entry->template_refused) : NULL;
}
