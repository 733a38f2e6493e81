/* See special.h: the short list, searched by length first because almost every command is not in it. */
#include "special.h"

#include <string.h>
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
		{"client", REEF_REDIS_CONTAINER}, {"script", REEF_REDIS_CONTAINER},
		{"asking", REEF_REDIS_ONCE},      {"blmove", REEF_REDIS_BLOCKING},
		{"blmpop", REEF_REDIS_BLOCKING},  {"bzmpop", REEF_REDIS_BLOCKING},
		{"select", REEF_REDIS_SELECT},    {0},
};
static const struct special length7[] = {
		{"waitaof", REEF_REDIS_BLOCKING},
		{"discard", REEF_REDIS_DISCARD},
		{"unwatch", REEF_REDIS_UNWATCH},
		{"monitor", REEF_REDIS_STREAM},
		{0},
};
static const struct special length8[] = {
		{"bzpopmin", REEF_REDIS_BLOCKING},
		{"bzpopmax", REEF_REDIS_BLOCKING},
		{"readonly", REEF_REDIS_STATE},
		{"replconf", REEF_REDIS_STREAM},
		{0},
};
static const struct special length9[] = {{"subscribe", REEF_REDIS_STREAM}, {"readwrite", REEF_REDIS_STATE}, {0}};
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

/* Of CLIENT and SCRIPT, by subcommand. */
static const struct special client_parts[] = {
		{"reply", REEF_REDIS_STREAM},        {"setname", REEF_REDIS_STATE},
		{"setinfo", REEF_REDIS_STATE},       {"tracking", REEF_REDIS_STATE},
		{"no-evict", REEF_REDIS_STATE},      {"no-touch", REEF_REDIS_STATE},
		{"capa", REEF_REDIS_STATE},          {"caching", REEF_REDIS_ONCE},
		{"import-source", REEF_REDIS_STATE}, {0},
};
static const struct special script_parts[] = {{"debug", REEF_REDIS_STREAM}, {0}};

static enum reef_redis_class special_find(const struct special *list, const char *word) {
	while (list->name && strcasecmp(list->name, word) != 0)
		list++;
	return list->name ? list->what : REEF_REDIS_ORDINARY;
}

enum reef_redis_class reef_redis_classify_part(const char *name, const char *word) {
	return special_find(strcasecmp(name, "client") == 0 ? client_parts : script_parts, word);
}

bool reef_redis_is_useless(const char *error) {
	static const char *const codes[] = {"READONLY ", "MASTERDOWN ", "LOADING ", "NOAUTH "};
	for (size_t i = 0; i < sizeof(codes) / sizeof(codes[0]); i++)
		if (strncmp(error, codes[i], strlen(codes[i])) == 0)
			return true;
	return false;
}

const char *reef_redis_class_name(enum reef_redis_class what) {
	static const char *const names[] = {"ordinary", "blocking", "maybe block", "watch", "multi", "exec", "discard",
										"unwatch",  "stream",   "select",      "auth",  "state", "once", "container"};
	return names[what];
}
