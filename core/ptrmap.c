/* A map from pointers to pointers: open addressing, at most two thirds full. Large ones are used for a moment and are
 * mappings of their own, so that they do not stay behind in the process' allocator. */
#include "ptrmap.h"

#include <stdint.h>
#include <string.h>

#include "alloc.h"

#define LARGE ((size_t)256 * 1024) /* bytes */
#define FIRST_CAPACITY 16

/* All zero; NULL when out of memory. */
static struct reef_ptrpair *alloc_slots(size_t capacity) {
	size_t size = capacity * sizeof(struct reef_ptrpair);
	if (size >= LARGE)
		return reef_try_map(size);
	struct reef_ptrpair *slots = reef_try_malloc(size);
	if (slots != NULL)
		memset(slots, 0, size);
	return slots;
}

static void free_slots(struct reef_ptrpair *slots, size_t capacity) {
	size_t size = capacity * sizeof(struct reef_ptrpair);
	if (size >= LARGE)
		reef_unmap(slots, size);
	else
		reef_free(slots);
}

void reef_ptrmap_init(struct reef_ptrmap *map) {
	*map = (struct reef_ptrmap){0};
}

void reef_ptrmap_fini(struct reef_ptrmap *map) {
	free_slots(map->slots, map->capacity);
}

static size_t home_of(const void *key) {
	return (size_t)((uintptr_t)key * UINT64_C(0x9E3779B97F4A7C15) >> 24);
}

static struct reef_ptrpair *slot_of_key(const struct reef_ptrmap *map, const void *key) {
	size_t i = home_of(key);
	while (map->slots[i &= map->capacity - 1].key != NULL && map->slots[i].key != key)
		i++;
	return &map->slots[i];
}

void *reef_ptrmap_get(const struct reef_ptrmap *map, const void *key) {
	return map->count == 0 ? NULL : slot_of_key(map, key)->value;
}

static bool grow_map(struct reef_ptrmap *map) {
	struct reef_ptrmap larger = {.capacity = map->capacity == 0 ? FIRST_CAPACITY : map->capacity * 2};
	larger.slots = alloc_slots(larger.capacity);
	if (larger.slots == NULL)
		return false;
	for (size_t i = 0; i < map->capacity; i++) {
		if (map->slots[i].key != NULL)
			*slot_of_key(&larger, map->slots[i].key) = map->slots[i];
	}
	larger.count = map->count;
	free_slots(map->slots, map->capacity);
	*map = larger;
	return true;
}

bool reef_ptrmap_put(struct reef_ptrmap *map, const void *key, void *value) {
	if (map->count * 3 >= map->capacity * 2 && !grow_map(map))
		return false;
	struct reef_ptrpair *slot = slot_of_key(map, key);
	if (slot->key == NULL)
		map->count++;
	slot->key = key;
	slot->value = value;
	return true;
}

/* Closes the gap: whatever follows without a gap moves up, unless it would come before its home. */
void *reef_ptrmap_remove(struct reef_ptrmap *map, const void *key) {
	if (map->count == 0)
		return NULL;
	struct reef_ptrpair *slot = slot_of_key(map, key);
	if (slot->key == NULL)
		return NULL;
	void *value = slot->value;
	size_t mask = map->capacity - 1, gap = (size_t)(slot - map->slots);
	for (size_t i = (gap + 1) & mask; map->slots[i].key != NULL; i = (i + 1) & mask) {
		if (((i - home_of(map->slots[i].key)) & mask) >= ((i - gap) & mask)) {
			map->slots[gap] = map->slots[i];
			gap = i;
		}
	}
	map->slots[gap] = (struct reef_ptrpair){0};
	map->count--;
	return value;
}
