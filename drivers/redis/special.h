/* Commands that cannot share a connection with others' requests, or not without a thought. Any thread. */
#ifndef REEF_REDIS_SPECIAL_H
#define REEF_REDIS_SPECIAL_H

#include <stddef.h>

enum reef_redis_class {
	REEF_REDIS_ORDINARY,
	REEF_REDIS_BLOCKING,    /* holds up everything behind it: a connection of its own */
	REEF_REDIS_MAYBE_BLOCK, /* the same if it has the argument BLOCK */
	REEF_REDIS_WATCH,       /* begins or continues what belongs to one coroutine */
	REEF_REDIS_MULTI,
	REEF_REDIS_EXEC, /* ends it */
	REEF_REDIS_DISCARD,
	REEF_REDIS_UNWATCH,
	REEF_REDIS_STREAM, /* changes what comes back for ever: never on a shared connection */
	REEF_REDIS_SELECT, /* to be remembered for the next connection */
	REEF_REDIS_AUTH,
};

/* What is this command, in any case of letters? */
enum reef_redis_class reef_redis_classify(const char *name, size_t size);
/* The word that Lua knows the class by: "ordinary", "blocking", ... */
const char *reef_redis_class_name(enum reef_redis_class what);

#endif
