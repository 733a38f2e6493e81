/* The hash table of the house: a map from pointers, or numbers that are not 0, to pointers. One thread at a time; the
 * caller owns the struct, whose slots with a key may be looked at one after the other. */
#ifndef REEF_PTRMAP_H
#define REEF_PTRMAP_H

#include <stdbool.h>
#include <stddef.h>

struct reef_ptrmap {
	struct reef_ptrpair {
		const void *key;
		void *value;
	} * slots;
	size_t count, capacity;
};

void reef_ptrmap_init(struct reef_ptrmap *map);
void reef_ptrmap_fini(struct reef_ptrmap *map);
/* NULL if the key is not there. */
void *reef_ptrmap_get(const struct reef_ptrmap *map, const void *key);
/* Adds or replaces; key is not NULL. False when out of memory: the map is as it was. */
bool reef_ptrmap_put(struct reef_ptrmap *map, const void *key, void *value);
/* Takes a key away; its value, NULL if it was not there. Moves other slots. */
void *reef_ptrmap_remove(struct reef_ptrmap *map, const void *key);

#endif
