/* Images of prepared VMs.
 *
 * Which words of a VM are addresses is found without knowing what lies where: the same VM is built twice, and the two are
 * compared. What differs by as much as the memory of the two does is an address in it; what differs as their hosts or their
 * records do, one of those. Any other difference is something that cannot be copied. Blocks that were freed meanwhile are
 * left out, so the image is as dense as can be. */
#include "copy_image.h"
#include "core/chance.h"

#include <string.h>

#include <lua.h>

#include "copy_blocks.h"
#include "copy_build.h"
#include "copy_lend.h"
#include "core/alloc.h"
#include "core/cycles.h"
#include "host_private.h"
#include "lua_wait.h"
#include "protocol.h"

enum { MAX_IMAGE = 256 * 1024 };
/* What a copy makes first lies in its block, too. */
enum { REST = 448, BLOCK_ALIGNMENT = 64 };

/* A block of the build that lives. */
struct place {
	const char *data;
	size_t size;
	size_t offset;      /* in the image */
	const void *shared; /* what stands for it in all VMs; NULL: it is in the image */
};

struct comparison {
	struct reef_build *a, *b;
	char *lent; /* until the blocks have it */
	void *record_a, *record_b;
	struct REEF_ARRAY(struct place) places; /* of a, in the order of their addresses */
	struct reef_image *image;
	const char *why;
};

static bool refuse(struct comparison *c, const char *why) {
	c->why = why;
	return false;
}

/* ---- making ---- */

static bool list_places(struct comparison *c) {
	struct reef_build_block *a = NULL, *b = NULL;
	size_t offset = 0;
	for (;;) {
		a = reef_build_next(c->a, a);
		b = reef_build_next(c->b, b);
		if (a == NULL || b == NULL)
			break;
		bool is_own = a->is == a + 1;
		if (a->size != b->size || is_own != (b->is == b + 1) || (!is_own && a->is != b->is))
			return refuse(c, "two of them differ in what they allocate");
		if (!a->is)
			continue;
		struct place *place = reef_array_add(&c->places);
		if (place == NULL)
			return refuse(c, reef_no_memory);
		*place = (struct place){
				.data = (char *)(a + 1), .size = a->size, .offset = offset, .shared = is_own ? NULL : a->is};
		if (is_own)
			offset += (a->size + 7) & ~(size_t)7;
	}
	if (a != b || c->places.count == 0)
		return refuse(c, "two of them differ in how much they allocate");
	offset = (offset + REEF_BLOCK_UNIT - 1) / REEF_BLOCK_UNIT * REEF_BLOCK_UNIT;
	if (offset > MAX_IMAGE)
		return refuse(c, "it is too large");
	c->image->size = (uint32_t)offset;
	c->image->room = (uint32_t)((offset + REST + BLOCK_ALIGNMENT - 1) & ~(size_t)(BLOCK_ALIGNMENT - 1));
	c->image->blocks = reef_copy_blocks_new(c->image->room, c->lent, c->image->lent_size);
	c->lent = NULL;
	c->image->bytes = reef_try_malloc(offset);
	if (c->image->bytes == NULL)
		return refuse(c, reef_no_memory);
	memset(c->image->bytes, 0, offset);
	return true;
}

/* The place that an address of `a` lies in, its end included; NULL if there is none any more. */
static const struct place *place_of(const struct comparison *c, const char *address) {
	size_t low = 0, high = c->places.count;
	while (low < high) {
		size_t middle = low + (high - low) / 2;
		if (c->places.items[middle].data <= address)
			low = middle + 1;
		else
			high = middle;
	}
	if (low == 0)
		return NULL;
	const struct place *place = &c->places.items[low - 1];
	return address <= place->data + place->size ? place : NULL;
}

static bool is_within(uintptr_t address, const void *begin, size_t size) {
	return address - (uintptr_t)begin < size;
}

#define ADD_WORD(array, at) (reef_array_reserve(array, 1) ? ((array)->items[(array)->count++] = (at), true) : false)

/* A word of both that lies at `at` in the image. */
static bool take_word(struct comparison *c, uint32_t at, uintptr_t a, uintptr_t b) {
	uintptr_t word = a;
	bool ok = true;
	if (is_within(a, c->a->memory, c->a->used)) {
		const struct place *place = place_of(c, (const char *)a);
		bool is_same = b - (uintptr_t)c->b->memory == a - (uintptr_t)c->a->memory;
		if (!is_same || place == NULL || a % sizeof(uintptr_t) != 0)
			return refuse(c, "an address of something that is gone");
		word = place->shared ? (uintptr_t)place->shared : place->offset + (a - (uintptr_t)place->data);
		ok = place->shared ? a == (uintptr_t)place->data : ADD_WORD(&c->image->words, at);
	} else if (is_within(a, c->a->host, sizeof(*c->a->host)) &&
			   b - (uintptr_t)c->b->host == a - (uintptr_t)c->a->host) {
		word = a - (uintptr_t)c->a->host;
		ok = ADD_WORD(&c->image->hosts, at);
	} else if (c->record_a && a == (uintptr_t)c->record_a && b == (uintptr_t)c->record_b) {
		word = 0;
		ok = ADD_WORD(&c->image->records, at);
	} else if (a != b) {
		return refuse(c, "two of them differ in a value");
	}
	memcpy(c->image->bytes + at, &word, sizeof(word));
	return ok || refuse(c, reef_no_memory);
}

static bool take_place(struct comparison *c, const struct place *place) {
	const char *a = place->data, *b = c->b->memory + (a - c->a->memory);
	size_t i = 0;
	for (; i + sizeof(uintptr_t) <= place->size; i += sizeof(uintptr_t)) {
		uintptr_t x, y;
		memcpy(&x, a + i, sizeof(x));
		memcpy(&y, b + i, sizeof(y));
		if (!take_word(c, (uint32_t)(place->offset + i), x, y))
			return false;
	}
	if (memcmp(a + i, b + i, place->size - i) != 0)
		return refuse(c, "two of them differ in a value");
	memcpy(c->image->bytes + place->offset + i, a + i, place->size - i);
	return true;
}

/* What the main function has changed beside the VM. */
static void take_beginning(struct reef_image *image, struct reef_build *build) {
	struct reef_host *host = build->host;
	image->begun = true;
	image->completed = host->completed;
	image->unknown_request = host->unknown_request;
	image->unknown_response = host->unknown_response;
	image->starts = build->watch.starts;
	image->protocols = host->protocols;
	image->protocol_count = host->protocol_count;
	host->protocols = NULL;
	host->protocol_count = 0;
	image->notes = build->watch.notes.data;
	image->notes_size = build->watch.notes.size;
	build->watch.notes = (struct reef_text){0};
}

static bool take_all(struct comparison *c) {
	struct reef_image *image = c->image;
	if (!reef_copy_lend(c->a, c->b, &c->lent, &image->lent_size))
		return refuse(c, reef_no_memory);
	if (!list_places(c))
		return false;
	for (size_t i = 0; i < c->places.count; i++) {
		if (c->places.items[i].shared == NULL && !take_place(c, &c->places.items[i]))
			return false;
	}
	if (c->a->random) {
		const char *state = c->a->memory + c->a->random;
		const struct place *place = place_of(c, state);
		if (place)
			image->random = (uint32_t)(place->offset + (size_t)(state - place->data));
	}
	image->varies = c->a->varies;
	if (c->a->begun)
		take_beginning(image, c->a);
	image->memory = c->a->bytes;
	image->functions = c->a->host->functions;
	image->record = reef_host_hooks()->record->keep(c->a->host->L);
	return image->record != NULL || refuse(c, "what it has loaded cannot be shared");
}

static struct reef_image *compare(struct reef_build *a, struct reef_build *b, const char **why) {
	const struct reef_record_hooks *hooks = reef_host_hooks()->record;
	struct comparison c = {.a = a, .b = b, .record_a = hooks->find(a->host->L), .record_b = hooks->find(b->host->L)};
	c.image = reef_calloc(1, sizeof(*c.image));
	bool ok = a->bytes == b->bytes ? take_all(&c) : refuse(&c, "two of them differ in size");
	reef_array_fini(&c.places);
	reef_unmap(c.lent, c.image->lent_size);
	*why = c.why;
	c.image->passed = a->passed;
	c.image->passed_size = a->passed_size;
	a->passed = NULL;
	if (ok)
		return c.image;
	reef_image_delete(c.image);
	return NULL;
}

struct reef_image *reef_image_make(const struct reef_host *host, const char *arguments, bool begun, const char **why) {
	struct reef_build a, b;
	struct reef_image *image = NULL;
	if (reef_build_begin(&a, host, arguments, begun)) {
		if (reef_build_begin(&b, host, arguments, begun))
			image = compare(&a, &b, why);
		else
			*why = b.failure;
		reef_build_end(&b);
	} else {
		*why = a.failure;
	}
	reef_build_end(&a);
	return image;
}

void reef_image_delete(struct reef_image *image) {
	if (image->record)
		reef_host_hooks()->record->let_go(image->record);
	reef_array_fini(&image->words);
	reef_array_fini(&image->hosts);
	reef_array_fini(&image->records);
	reef_free(image->passed);
	reef_free(image->notes);
	reef_protocol_free(image->protocols, image->protocol_count);
	reef_free(image->bytes);
	if (image->blocks)
		reef_copy_blocks_let_go(image->blocks);
	reef_free(image);
}

/* ---- copying ---- */

/* Another state for each VM (splitmix64), from a seed of each thread. */
static void make_random(char *state) {
	static _Thread_local uint64_t seed;
	if (seed == 0 && !reef_chance_fill(&seed, sizeof(seed), false))
		seed = reef_cycles() ^ (uintptr_t)&seed;
	for (size_t i = 0; i < REEF_RANDOM_SIZE; i += sizeof(seed)) {
		uint64_t x = seed += 0x9e3779b97f4a7c15u;
		x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9u;
		x = (x ^ (x >> 27)) * 0x94d049bb133111ebu;
		x ^= x >> 31;
		memcpy(state + i, &x, sizeof(x));
	}
}

static void add_to_words(char *block, const uint32_t *words, size_t count, uintptr_t base) {
	for (size_t i = 0; i < count; i++) {
		uintptr_t word;
		memcpy(&word, block + words[i], sizeof(word));
		word += base;
		memcpy(block + words[i], &word, sizeof(word));
	}
}

static void copy_beginning(const struct reef_image *image, struct reef_host *host) {
	reef_protocol_copy(host, image->protocols, image->protocol_count);
	host->completed = image->completed;
	host->unknown_request = image->unknown_request;
	host->unknown_response = image->unknown_response;
	host->fresh = host->from_template = true;
	reef_lua_wait_begin(host, image->starts);
}

bool reef_image_copy(const struct reef_image *image, struct reef_host *host) {
	void *record = reef_host_hooks()->record->copy(image->record);
	char *block = record ? reef_copy_blocks_take(image->blocks) : NULL;
	if (block == NULL) {
		reef_host_hooks()->record->drop(record);
		return false;
	}
	memcpy(block, image->bytes, image->size);
	add_to_words(block, image->words.items, image->words.count, (uintptr_t)block);
	add_to_words(block, image->hosts.items, image->hosts.count, (uintptr_t)host);
	add_to_words(block, image->records.items, image->records.count, (uintptr_t)record);
	if (image->random)
		make_random(block + image->random);
	host->L = (lua_State *)(void *)(block + LUA_EXTRASPACE);
	host->active = host->L;
	host->block_units = (uint16_t)(image->room / REEF_BLOCK_UNIT);
	host->block_left = (uint8_t)((image->room - image->size) / REEF_BLOCK_UNIT);
	host->functions = image->functions;
	if (image->begun)
		copy_beginning(image, host);
	else
		reef_protocol_begin(host);
	__atomic_store_n(&host->memory, image->memory, __ATOMIC_RELAXED);
	return true;
}
