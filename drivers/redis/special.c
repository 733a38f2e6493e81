/* See special.h: a short list, searched by length first because almost every command is not in it. */
#include "special.h"

#include <strings.h>

struct special {
	const char *name;
	enum reef_redis_class what;
};

static const struct special length4[] = {
		{"wait", REEF_REDIS_BLOCKING}, {"exec", REEF_REDIS_EXEC},   {"auth", REEF_REDIS_AUTH},
		{"sync", REEF_REDIS_STREAM},   {"quit", REEF_REDIS_STREAM}, {0},
};
static const struct special length5[] = {
		{"blpop", REEF_REDIS_BLOCKING},    {"brpop", REEF_REDIS_BLOCKING}, {"multi", REEF_REDIS_MULTI},
		{"xread", REEF_REDIS_MAYBE_BLOCK}, {"watch", REEF_REDIS_WATCH},    {"hello", REEF_REDIS_STREAM},
		{"psync", REEF_REDIS_STREAM},      {"reset", REEF_REDIS_STREAM},   {0},
};
static const struct special length6[] = {
		{"blmove", REEF_REDIS_BLOCKING},
		{"blmpop", REEF_REDIS_BLOCKING},
		{"bzmpop", REEF_REDIS_BLOCKING},
		{"select", REEF_REDIS_SELECT},
		{0},
};
static const struct special length7[] = {
		{"waitaof", REEF_REDIS_BLOCKING},
		{"discard", REEF_REDIS_DISCARD},
		{"unwatch", REEF_REDIS_UNWATCH},
		{"monitor", REEF_REDIS_STREAM},
		{0},
};
static const struct special length8[] = {{"bzpopmin", REEF_REDIS_BLOCKING}, {"bzpopmax", REEF_REDIS_BLOCKING}, {0}};
static const struct special length9[] = {{"subscribe", REEF_REDIS_STREAM}, {0}};
static const struct special length10[] = {
		{"brpoplpush", REEF_REDIS_BLOCKING},
		{"xreadgroup", REEF_REDIS_MAYBE_BLOCK},
		{"psubscribe", REEF_REDIS_STREAM},
		{"ssubscribe", REEF_REDIS_STREAM},
		{0},
};
static const struct special length11[] = {{"unsubscribe", REEF_REDIS_STREAM}, {0}};
static const struct special length12[] = {
		{"punsubscribe", REEF_REDIS_STREAM}, {"sunsubscribe", REEF_REDIS_STREAM}, {0}};

static const struct special *const by_length[] = {
		[4] = length4, [5] = length5,   [6] = length6,   [7] = length7,   [8] = length8,
		[9] = length9, [10] = length10, [11] = length11, [12] = length12,
};

enum reef_redis_class reef_redis_classify(const char *name, size_t size) {
	if (size >= sizeof(by_length) / sizeof(by_length[0]) || by_length[size] == NULL)
		return REEF_REDIS_ORDINARY;
	for (const struct special *s = by_length[size]; s->name; s++) {
		if ((s->name[0] | 0x20) == (name[0] | 0x20) && strncasecmp(s->name, name, size) == 0)
			return s->what;
	}
	return REEF_REDIS_ORDINARY;
}

const char *reef_redis_class_name(enum reef_redis_class what) {
	static const char *const names[] = {"ordinary", "blocking", "maybe block", "watch",  "multi", "exec",
										"discard",  "unwatch",  "stream",      "select", "auth"};
	return names[what];
}
