/* What commands do to the connection that they come on. Any thread.
 *
 * There are two lists. The short one has what is known to hold up a connection or to change its state: that never
 * happens to a connection which others use at the same time. The long one has what is known to do neither. What is in
 * no list (commands of modules, and of servers that are younger than this) is sent as it is; but a connection of one's
 * own that has seen such a command is not used again. So whatever is forgotten in a list costs a reconnect and no more.
 */
#ifndef REEF_REDIS_SPECIAL_H
#define REEF_REDIS_SPECIAL_H

#include <stdbool.h>
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
	REEF_REDIS_STREAM, /* changes what comes back: never on a connection that requests use */
	REEF_REDIS_SELECT, /* to be remembered for the next connection */
	REEF_REDIS_AUTH,
	REEF_REDIS_STATE,     /* the same, where the whole command is remembered */
	REEF_REDIS_ONCE,      /* changes what the next command does, whoever sends that */
	REEF_REDIS_CONTAINER, /* its first argument decides */
};

/* What is this command, in any case of letters? ORDINARY: it is not in the short list. */
enum reef_redis_class reef_redis_classify(const char *name, size_t size);
/* What is a command of class CONTAINER with that first argument? */
enum reef_redis_class reef_redis_classify_part(const char *name, const char *word);
/* Is that an error which says that no request will do better on this connection, for the time being? */
bool reef_redis_is_useless(const char *error);
/* The word that Lua knows the class by: "ordinary", "blocking", ... */
const char *reef_redis_class_name(enum reef_redis_class what);

#endif
