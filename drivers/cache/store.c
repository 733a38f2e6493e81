/* See store.h. Chains are changed with the lock held, by one store each, so that readers always see a chain that ends. */
#include "store.h"

#include <pthread.h>
#include <string.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/epoch.h"
#include "datasheet/retired.h"
#include "datasheet/row.h"

#define MOST_CACHES 256
#define BYTES_OF_BUCKET 512
#define LEAST_BUCKETS 256
#define MOST_BUCKETS ((size_t)1 << 20)
#define STRIPES 1024

struct entry {
	struct entry *next;
	TString *value;
	uint64_t expires_ns;
	size_t bytes; /* with the value */
	unsigned hash;
	struct reef_cache_origin origin;
	bool used; /* since the hand came by */
	size_t size;
	char key[];
};

struct reef_cache {
	pthread_mutex_t lock;
	struct entry **buckets;
	size_t mask, hand;
	uint64_t generations[STRIPES]; /* of keys, by hash */
	struct reef_cache_reader *readers;
	struct reef_cache_stat stat; /* hits and misses: of readers that are gone */
	size_t uncollected;          /* bytes of values taken out since retired ones were last looked through */
	uint32_t *homes;             /* hashes of addresses by slot; NULL: not of a cluster */
};

static struct reef_cache *caches[MOST_CACHES];
static unsigned cache_count;
static pthread_mutex_t caches_lock = PTHREAD_MUTEX_INITIALIZER;

unsigned reef_cache_new(size_t bytes) {
	size_t count = LEAST_BUCKETS;
	while (count < MOST_BUCKETS && count * BYTES_OF_BUCKET < bytes)
		count *= 2;
	struct reef_cache *cache = reef_try_malloc(sizeof(*cache));
	struct entry **buckets = reef_try_malloc(count * sizeof(*buckets));
	unsigned number = 0;
	pthread_mutex_lock(&caches_lock);
	if (cache && buckets && cache_count < MOST_CACHES) {
		memset(cache, 0, sizeof(*cache));
		memset(buckets, 0, count * sizeof(*buckets));
		pthread_mutex_init(&cache->lock, NULL);
		cache->buckets = buckets;
		cache->mask = count - 1;
		cache->stat.most_bytes = bytes;
		__atomic_store_n(&caches[cache_count], cache, __ATOMIC_RELEASE);
		number = ++cache_count;
	}
	pthread_mutex_unlock(&caches_lock);
	if (number == 0) {
		reef_free(cache);
		reef_free(buckets);
	}
	return number;
}

struct reef_cache *reef_cache_find(unsigned number) {
	return number == 0 || number > MOST_CACHES ? NULL : __atomic_load_n(&caches[number - 1], __ATOMIC_ACQUIRE);
}

void reef_cache_reader_init(struct reef_cache_reader *reader, struct reef_cache *cache) {
	*reader = (struct reef_cache_reader){.cache = cache, .link = &cache->readers};
	pthread_mutex_lock(&cache->lock);
	reader->next = cache->readers;
	if (reader->next)
		reader->next->link = &reader->next;
	cache->readers = reader;
	pthread_mutex_unlock(&cache->lock);
}

void reef_cache_reader_fini(struct reef_cache_reader *reader) {
	struct reef_cache *cache = reader->cache;
	if (cache == NULL)
		return;
	pthread_mutex_lock(&cache->lock);
	*reader->link = reader->next;
	if (reader->next)
		reader->next->link = reader->link;
	cache->stat.hits += reader->hits;
	cache->stat.misses += reader->misses;
	pthread_mutex_unlock(&cache->lock);
	reader->cache = NULL;
}

static unsigned hash_of(const TString *key) {
	return key->tt == LUA_VSHRSTR ? key->hash : luaS_hashlongstr((TString *)(uintptr_t)key);
}

static bool is_of(const struct entry *entry, unsigned hash, const TString *key) {
	return entry->hash == hash && entry->size == tsslen(key) && memcmp(entry->key, getstr(key), entry->size) == 0;
}

static void count(uint64_t *counter) {
	__atomic_store_n(counter, *counter + 1, __ATOMIC_RELAXED);
}

static struct entry *find(const struct reef_cache *cache, const TString *key) {
	unsigned hash = hash_of(key);
	struct entry *entry = __atomic_load_n(&cache->buckets[hash & cache->mask], __ATOMIC_ACQUIRE);
	while (entry && !is_of(entry, hash, key))
		entry = __atomic_load_n(&entry->next, __ATOMIC_ACQUIRE);
	return entry && entry->expires_ns && reef_now_ns() >= entry->expires_ns ? NULL : entry;
}

enum reef_cache_found reef_cache_peek(const struct reef_cache *cache, const TString *key, TString **value) {
	const struct entry *entry = find(cache, key);
	if (entry == NULL)
		return REEF_CACHE_MISS;
	*value = entry->value;
	return entry->value ? REEF_CACHE_HIT : REEF_CACHE_NOTHING;
}

enum reef_cache_found reef_cache_get(struct reef_cache_reader *reader, const TString *key, TString **value) {
	struct entry *entry = find(reader->cache, key);
	if (entry == NULL) {
		count(&reader->misses);
		return REEF_CACHE_MISS;
	}
	count(&reader->hits);
	/* Who reads the same key all the time need not write to memory that others read. */
	if (!__atomic_load_n(&entry->used, __ATOMIC_RELAXED))
		__atomic_store_n(&entry->used, true, __ATOMIC_RELAXED);
	*value = entry->value;
	return entry->value ? REEF_CACHE_HIT : REEF_CACHE_NOTHING;
}

/* ---- changing; with the lock held ---- */

/* Takes out what the link leads to. */
static void unlink_entry(struct reef_cache *cache, struct entry **link) {
	struct entry *entry = *link;
	__atomic_store_n(link, entry->next, __ATOMIC_RELEASE);
	cache->stat.entries--;
	cache->stat.bytes -= entry->bytes;
	if (entry->value) {
		cache->uncollected += entry->bytes;
		reef_retired_add_string(entry->value);
	}
	reef_epoch_retire(entry, reef_free);
}

static struct entry **link_to(struct reef_cache *cache, unsigned hash, const TString *key) {
	struct entry **link = &cache->buckets[hash & cache->mask];
	while (*link && !is_of(*link, hash, key))
		link = &(*link)->next;
	return link;
}

static bool take_out(struct reef_cache *cache, unsigned hash, const TString *key) {
	struct entry **link = link_to(cache, hash, key);
	if (*link == NULL)
		return false;
	unlink_entry(cache, link);
	return true;
}

/* Goes round: what was used since the last time stays. */
static void make_room(struct reef_cache *cache, size_t bytes) {
	while (cache->stat.bytes + bytes > cache->stat.most_bytes && cache->stat.entries > 0) {
		struct entry **link = &cache->buckets[cache->hand++ & cache->mask];
		while (*link) {
			if (__atomic_exchange_n(&(*link)->used, false, __ATOMIC_RELAXED)) {
				link = &(*link)->next;
			} else {
				unlink_entry(cache, link);
				cache->stat.evicted++;
			}
		}
	}
}

/* Values that were taken out may be held by services for long: they count until it is known that nobody holds them. */
static bool has_room(const struct reef_cache *cache, size_t bytes) {
	size_t objects, retired, readers;
	reef_retired_stat(&objects, &retired, &readers);
	return bytes <= cache->stat.most_bytes / 4 && retired <= cache->stat.most_bytes;
}

static struct entry *new_entry(const TString *key, const TString *value, unsigned hash) {
	size_t size = tsslen(key);
	struct entry *entry = reef_try_malloc(sizeof(*entry) + size);
	if (entry == NULL)
		return NULL;
	*entry = (struct entry){.hash = hash, .size = size, .used = true, .bytes = sizeof(*entry) + size};
	memcpy(entry->key, getstr(key), size);
	if (value) {
		entry->value = reef_row_string_copy(value);
		if (entry->value == NULL) {
			reef_free(entry);
			return NULL;
		}
		entry->bytes += reef_row_size(obj2gco(entry->value));
	}
	return entry;
}

static void collect(struct reef_cache *cache, bool now) {
	pthread_mutex_lock(&cache->lock);
	now = now || cache->uncollected > cache->stat.most_bytes / 8;
	if (now)
		cache->uncollected = 0;
	pthread_mutex_unlock(&cache->lock);
	if (now)
		reef_retired_collect(true);
}

uint64_t reef_cache_generation(const struct reef_cache *cache, const TString *key) {
	return __atomic_load_n(&cache->generations[hash_of(key) % STRIPES], __ATOMIC_ACQUIRE);
}

bool reef_cache_put(struct reef_cache *cache, const TString *key, const TString *value, uint64_t expires_ns,
					uint64_t generation, struct reef_cache_origin origin) {
	unsigned hash = hash_of(key);
	struct entry *entry = new_entry(key, value, hash);
	if (entry == NULL)
		return false;
	entry->expires_ns = expires_ns;
	entry->origin = origin;
	pthread_mutex_lock(&cache->lock);
	bool current = cache->generations[hash % STRIPES] == generation;
	bool stored = current && has_room(cache, entry->bytes);
	if (stored) {
		(void)take_out(cache, hash, key);
		make_room(cache, entry->bytes);
		struct entry **bucket = &cache->buckets[hash & cache->mask];
		entry->next = *bucket;
		__atomic_store_n(bucket, entry, __ATOMIC_RELEASE);
		cache->stat.entries++;
		cache->stat.bytes += entry->bytes;
		cache->stat.stored++;
	} else {
		cache->stat.outdated += !current;
	}
	pthread_mutex_unlock(&cache->lock);
	if (!stored) {
		/* Nobody has seen the value. */
		if (entry->value)
			reef_row_string_free(entry->value);
		reef_free(entry);
	}
	collect(cache, current && !stored);
	return stored;
}

void reef_cache_drop(struct reef_cache *cache, const TString *key) {
	unsigned hash = hash_of(key);
	pthread_mutex_lock(&cache->lock);
	uint64_t *generation = &cache->generations[hash % STRIPES];
	__atomic_store_n(generation, *generation + 1, __ATOMIC_RELEASE);
	cache->stat.dropped += take_out(cache, hash, key);
	pthread_mutex_unlock(&cache->lock);
	collect(cache, false);
}

/* Takes out what `wanted` says, and lets nothing be stored that was asked for until now. */
static void flush(struct reef_cache *cache, bool (*wanted)(const struct entry *, const void *), const void *which) {
	pthread_mutex_lock(&cache->lock);
	for (size_t i = 0; i < STRIPES; i++)
		__atomic_store_n(&cache->generations[i], cache->generations[i] + 1, __ATOMIC_RELEASE);
	for (size_t i = 0; i <= cache->mask && cache->stat.entries > 0; i++) {
		struct entry **link = &cache->buckets[i];
		while (*link) {
			if (wanted(*link, which))
				unlink_entry(cache, link);
			else
				link = &(*link)->next;
		}
	}
	cache->stat.flushes++;
	pthread_mutex_unlock(&cache->lock);
	collect(cache, false);
}

static bool is_any(const struct entry *entry, const void *which) {
	(void)entry, (void)which;
	return true;
}

static bool is_from(const struct entry *entry, const void *source) {
	return entry->origin.source == *(const uint32_t *)source;
}

static bool is_in_slots(const struct entry *entry, const void *slots) {
	return ((const uint64_t *)slots)[entry->origin.slot / 64] >> entry->origin.slot % 64 & 1;
}

void reef_cache_flush(struct reef_cache *cache) {
	flush(cache, is_any, NULL);
}

void reef_cache_flush_source(struct reef_cache *cache, uint32_t source) {
	flush(cache, is_from, &source);
}

void reef_cache_flush_slots(struct reef_cache *cache, const uint64_t slots[REEF_CACHE_SLOTS / 64]) {
	flush(cache, is_in_slots, slots);
}

/* Never 0, which is nobody's. */
static uint32_t home_of(const TString *address) {
	return address ? (uint32_t)hash_of(address) | 1 : 0;
}

bool reef_cache_set_home(struct reef_cache *cache, unsigned slot, const TString *address) {
	uint32_t *homes = cache->homes;
	if (homes == NULL) {
		homes = reef_try_malloc(REEF_CACHE_SLOTS * sizeof(*homes));
		if (homes == NULL)
			return false;
		memset(homes, 0, REEF_CACHE_SLOTS * sizeof(*homes));
		__atomic_store_n(&cache->homes, homes, __ATOMIC_RELEASE);
	}
	__atomic_store_n(&homes[slot], home_of(address), __ATOMIC_RELEASE);
	return true;
}

bool reef_cache_is_home(const struct reef_cache *cache, unsigned slot, const TString *address) {
	const uint32_t *homes = __atomic_load_n(&cache->homes, __ATOMIC_ACQUIRE);
	return homes && __atomic_load_n(&homes[slot], __ATOMIC_ACQUIRE) == home_of(address);
}

void reef_cache_stat(struct reef_cache *cache, struct reef_cache_stat *stat) {
	pthread_mutex_lock(&cache->lock);
	*stat = cache->stat;
	for (const struct reef_cache_reader *reader = cache->readers; reader; reader = reader->next) {
		stat->hits += __atomic_load_n(&reader->hits, __ATOMIC_RELAXED);
		stat->misses += __atomic_load_n(&reader->misses, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&cache->lock);
}
