/* Going through a table whose keys are strings, in the order of lua_next, or through a list, without a look-up of each key and
 * without the stack: for who writes out many tables.
 *
 * The table, by what lua_topointer says, is kept from the collector by the caller. Strings that were found are the table's:
 * they are good for as long as it has them. Whoever has let others run in between asks whether the table is still laid out
 * as it was. The VM's thread only.
 */
#ifndef REEF_SHARETABLE_EACH_H
#define REEF_SHARETABLE_EACH_H

#include <stdbool.h>
#include <stddef.h>

struct lua_State;

struct reef_each {
	const void *table, *nodes;
	int at, end; /* the node behind that of the last pair, and the last one */
};

enum reef_each_found { REEF_EACH_END, REEF_EACH_PAIR, REEF_EACH_OTHER_KEY };

struct reef_each_pair {
	const char *key;
	size_t key_size;
	int type; /* of the value: LUA_TNUMBER ... */
	bool is_integer;
	union {
		long long integer;
		double number;
		bool boolean;
		struct {
			const char *bytes;
			size_t size;
		} string;
	} value; /* of no other type */
};

/* False: the table has places for a list, whatever is in them. */
bool reef_each_begin(struct reef_each *e, const void *table);
enum reef_each_found reef_each_next(struct reef_each *e, struct reef_each_pair *pair);
/* True: the table is nothing but a list, without a metatable and other keys. Then `end` is its length, and reef_each_value
 * finds its values, of which nil is the last. */
bool reef_each_begin_list(struct reef_each *e, const void *table);
bool reef_each_value(struct reef_each *e, struct reef_each_pair *pair);
/* Pushes key and value of what was found last. Needs two slots of the stack. */
void reef_each_push(struct lua_State *L, const struct reef_each *e);
/* False: whoever goes on does so by the last key and lua_next. */
bool reef_each_is_same(const struct reef_each *e);

#endif
