/* See resolver_cache.h. */
#include "resolver_cache.h"

#include <string.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/clock.h"

#define PLACES 1024

struct remembered {
	char *name;
	struct reef_answer answer;
	uint64_t until_ns;
};

static struct remembered places[PLACES];

/* FNV-1a; case does not count in names (RFC 4343). */
static struct remembered *place_of(const char *name) {
	uint32_t hash = 2166136261u;
	for (const char *p = name; *p; p++)
		hash = (hash ^ (unsigned char)(*p >= 'A' && *p <= 'Z' ? *p + 32 : *p)) * 16777619u;
	return &places[hash % PLACES];
}

static void forget_place(struct remembered *place) {
	reef_free(place->name);
	reef_answer_fini(&place->answer);
	*place = (struct remembered){.name = NULL};
}

bool reef_resolver_cache_get(const char *name, struct reef_answer *answer) {
	struct remembered *place = place_of(name);
	if (place->name == NULL || strcasecmp(place->name, name) != 0)
		return false;
	if (reef_now_ns() >= place->until_ns) {
		forget_place(place);
		return false;
	}
	*answer = reef_answer_copy(&place->answer, 0);
	return true;
}

void reef_resolver_cache_put(const char *name, const struct reef_answer *answer, uint32_t ttl) {
	if (answer->ttl < ttl)
		ttl = answer->ttl;
	if (answer->count == 0 || ttl == 0)
		return;
	struct remembered *place = place_of(name);
	forget_place(place);
	place->name = reef_strdup(name);
	place->answer = reef_answer_copy(answer, 0);
	place->until_ns = reef_now_ns() + (uint64_t)ttl * 1000000000u;
}

void reef_resolver_cache_clear(void) {
	for (int i = 0; i < PLACES; i++)
		forget_place(&places[i]);
}
