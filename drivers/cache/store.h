/* A cache of strings that all services of the process read: values are shared strings (datasheet/row.h), so a hit copies
 * nothing, and is a look into a hash table that takes no lock.
 *
 * Who fills it takes care that it is never stale: see reef.redis.cache. Entries that are taken out are freed when no
 * thread can be looking at them (core/epoch.h), values when no service holds them any more (datasheet/retired.h). Caches
 * live as long as the process. Readers and writers on any thread, in a slice.
 */
#ifndef REEF_CACHE_STORE_H
#define REEF_CACHE_STORE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sharetable/overlay/ov.h"

#define REEF_CACHE_SLOTS 16384

struct reef_cache;

/* One service's view; its counters are written by that service alone. Lies in memory of the caller's. */
struct reef_cache_reader {
	struct reef_cache *cache;
	struct reef_cache_reader *next, **link;
	uint64_t hits, misses;
};

enum reef_cache_found {
	REEF_CACHE_MISS,
	REEF_CACHE_HIT,
	REEF_CACHE_NOTHING /* it is known that there is no such key */
};

struct reef_cache_stat {
	uint64_t hits, misses, stored, outdated, evicted, dropped, flushes;
	size_t entries, bytes, most_bytes;
};

/* A new cache of at most so many bytes; its number. 0 when out of memory. */
unsigned reef_cache_new(size_t bytes);
/* NULL: there is none of that number. */
struct reef_cache *reef_cache_find(unsigned number);

void reef_cache_reader_init(struct reef_cache_reader *reader, struct reef_cache *cache);
void reef_cache_reader_fini(struct reef_cache_reader *reader);

/* The key's value. */
enum reef_cache_found reef_cache_get(struct reef_cache_reader *reader, const TString *key, TString **value);

/* The same, for who fills the cache: nothing is counted. */
enum reef_cache_found reef_cache_peek(const struct reef_cache *cache, const TString *key, TString **value);

/* What a value has to be stored with, if it is asked for from now on. */
uint64_t reef_cache_generation(const struct reef_cache *cache, const TString *key);
/* Whose word a value is: what comes from one connection, or lies in one slot of a cluster, is forgotten together. */
struct reef_cache_origin {
	uint32_t source;
	uint16_t slot;
};

/* Stores the value, NULL: that there is none, until that moment (0: as long as it takes), unless the key was dropped
 * since its generation was asked for. */
bool reef_cache_put(struct reef_cache *cache, const TString *key, const TString *value, uint64_t expires_ns,
					uint64_t generation, struct reef_cache_origin origin);
/* Takes the key out, and what was asked for until now is not stored any more. */
void reef_cache_drop(struct reef_cache *cache, const TString *key);
/* The same for all keys; for those that came from a source; for those of some slots, a bit each. */
void reef_cache_flush(struct reef_cache *cache);
void reef_cache_flush_source(struct reef_cache *cache, uint32_t source);
void reef_cache_flush_slots(struct reef_cache *cache, const uint64_t slots[REEF_CACHE_SLOTS / 64]);

/* The node that the values of a slot come from; NULL: none does at the moment. False when out of memory. Of the service
 * that fills the cache. */
bool reef_cache_set_home(struct reef_cache *cache, unsigned slot, const TString *address);
/* Is it that one? Any thread. */
bool reef_cache_is_home(const struct reef_cache *cache, unsigned slot, const TString *address);

void reef_cache_stat(struct reef_cache *cache, struct reef_cache_stat *stat);

#endif
