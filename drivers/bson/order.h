/* Where the order of keys is meaning, as in a sort or the key of an index. The VM's thread only. */
#ifndef REEF_BSON_ORDER_H
#define REEF_BSON_ORDER_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "format.h"

/* What a document is for decides where the order of keys is meaning, so that a plain table of several keys is refused and
 * a list of pairs is a document. Anything: `$sort` and `sortBy`, and `sort`, `hint`, `min`, `max` and the keys of indexes
 * if the document looks like a command or a statement of one. Data: nowhere. */
enum reef_bson_purpose { REEF_BSON_ANYTHING, REEF_BSON_DATA };

struct reef_bson_step {
	const char *key;
	size_t size;
};

/* Where in a document an encoder is. */
struct reef_bson_place {
	int root;          /* on the stack: the table that is the whole; 0: there is none */
	const char *first; /* of a list of keys and values, if it is a string; else NULL */
	int depth;
	enum reef_bson_purpose purpose;
	struct reef_bson_step path[REEF_BSON_DEPTH + 1];
};

/* Has what is written at this place to be in order? */
bool reef_bson_order_matters(lua_State *L, const struct reef_bson_place *at);
/* Does the table say itself in what order its keys are, or is there nothing to order? */
bool reef_bson_order_is_known(lua_State *L, int index);
/* Pushes key and value of what stands in a list of pairs: "a", { "a", 1 }, or { a = 1 }. False, with anything pushed: it
 * is no pair. */
bool reef_bson_order_push_pair(lua_State *L, int index);

#endif
