/* The pool of identifiers: a fixed array of chains that only ever grow, so that readers need no lock.
 *
 * A string is complete before the atomic store that links it. A bit map of hashes, small enough to stay in the cache,
 * answers most questions for strings that are not there: creating an unpooled string must not become slower.
 */
#include "ov.h"

#include "pool.h"

#include <pthread.h>
#include <sys/mman.h>

#define POOL_CHAINS (1u << 14)
#define POOL_BITS (1u << 17)
#define POOL_MAX 32768 /* strings */
#define POOL_PAGE ((size_t)64 * 1024)

static TString *chains[POOL_CHAINS];
static unsigned char bits[POOL_BITS / 8];
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER; /* guards what follows, and adding */
static char *page_begin, *page_free, *page_end;
static size_t pool_count, pool_bytes;

static unsigned char *bit_byte(unsigned int hash) {
	return &bits[(hash >> 8) % POOL_BITS / 8];
}

static unsigned char bit_mask(unsigned int hash) {
	return cast_byte(1u << ((hash >> 8) % 8));
}

static TString *find_in(TString *ts, const char *str, size_t l, unsigned int hash) {
	for (; ts != NULL; ts = ts->u.hnext) {
		if (ts->hash == hash && ts->shrlen == l && memcmp(getstr(ts), str, l) == 0)
			return ts;
	}
	return NULL;
}

TString *reef_pool_find(const char *str, size_t l, unsigned int hash) {
	if (l_likely(!(__atomic_load_n(bit_byte(hash), __ATOMIC_RELAXED) & bit_mask(hash))))
		return NULL;
	return find_in(__atomic_load_n(&chains[hash % POOL_CHAINS], __ATOMIC_ACQUIRE), str, l, hash);
}

static int is_identifier(const char *s, size_t l) {
	if (l == 0 || (*s >= '0' && *s <= '9'))
		return 0;
	for (size_t i = 0; i < l; i++) {
		char c = s[i];
		if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.'))
			return 0;
	}
	return 1;
}

/* Full: nobody writes there again. */
static void close_page(void) {
	if (page_begin != NULL)
		mprotect(page_begin, POOL_PAGE, PROT_READ);
	page_begin = page_free = page_end = NULL;
}

static void *page_alloc(size_t size) {
	size = (size + 7) & ~(size_t)7;
	if ((size_t)(page_end - page_free) < size) {
		void *p = mmap(NULL, POOL_PAGE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
		if (p == MAP_FAILED)
			return NULL;
		close_page();
		page_begin = page_free = p;
		page_end = page_begin + POOL_PAGE;
	}
	void *block = page_free;
	page_free += size;
	pool_bytes += size;
	return block;
}

/* With the lock held. */
static TString *add(const TString *src) {
	size_t l = src->shrlen;
	TString *ts = pool_count < POOL_MAX ? page_alloc(sizelstring(l)) : NULL;
	if (ts == NULL)
		return NULL;
	memset(ts, 0, offsetof(TString, contents));
	ts->tt = LUA_VSHRSTR;
	ts->marked = REEF_SHARED_MARK;
	ts->extra = src->extra;
	ts->shrlen = src->shrlen;
	ts->hash = src->hash;
	memcpy(getstr(ts), getstr(src), l + 1);
	TString **chain = &chains[ts->hash % POOL_CHAINS];
	ts->u.hnext = *chain;
	__atomic_store_n(chain, ts, __ATOMIC_RELEASE);
	__atomic_fetch_or(bit_byte(ts->hash), bit_mask(ts->hash), __ATOMIC_RELEASE);
	pool_count++;
	return ts;
}

TString *reef_pool_add(const TString *src) {
	const char *str = getstr(src);
	if (!is_identifier(str, src->shrlen))
		return NULL;
	TString *ts = reef_pool_find(str, src->shrlen, src->hash);
	if (ts == NULL) {
		pthread_mutex_lock(&lock);
		ts = find_in(chains[src->hash % POOL_CHAINS], str, src->shrlen, src->hash);
		if (ts == NULL)
			ts = add(src);
		pthread_mutex_unlock(&lock);
	}
	return ts;
}

void reef_pool_stat(size_t *count, size_t *bytes) {
	pthread_mutex_lock(&lock);
	*count = pool_count;
	*bytes = pool_bytes;
	pthread_mutex_unlock(&lock);
}

void reef_pool_protect(void) {
	pthread_mutex_lock(&lock);
	close_page();
	pthread_mutex_unlock(&lock);
}
