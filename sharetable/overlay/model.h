/* Tables made after a model: with its keys in its places, so that a value needs no look-up of where it goes.
 *
 * For who makes many tables with the same keys. Whatever a place holds before it is given a value is what the model has
 * there: a table from here is for nobody to see until each place was given one, or was emptied. Tables are meant by what
 * lua_topointer says, and have to be kept from the collector by the caller. The VM's thread only.
 */
#ifndef REEF_SHARETABLE_MODEL_H
#define REEF_SHARETABLE_MODEL_H

#include <stdbool.h>
#include <stddef.h>

struct lua_State;

/* The place of the key on top of the stack, which stays, in the table; -1: it is no key of it, or no short string. Places
 * hold as long as the table gets no new key. */
int reef_model_place(struct lua_State *L, const void *table);

/* Pushes a table like the model, which has string keys only, none of them nil, and no finalizer. Needs a slot of the stack.
 * Raises when there is no memory. */
const void *reef_model_push(struct lua_State *L, const void *model);

/* Pops a value, which is not nil, into a place of the table: the model, or one that was made after it and has got no new
 * key since. */
void reef_model_put(struct lua_State *L, const void *table, int place);

/* The same for values that are not on the stack. */
void reef_model_put_integer(const void *table, int place, long long value);
void reef_model_put_number(const void *table, int place, double value);

/* The same for a string, which has n bytes. `kept` (all NULL at first) are those that came last of its like, of which many
 * come again: they are found there without being hashed. Whoever has them keeps the tables that have got them from the collector. */
struct reef_model_kept {
	const void *strings[16];
};
void reef_model_put_string(struct lua_State *L, const void *table, int place, const char *s, size_t n,
						   struct reef_model_kept *kept);
/* The same, if the string is among those kept. Otherwise what it has to be looked for in begins to come into the cache: it is a
 * good time to do something else before it is put. */
bool reef_model_put_kept(struct lua_State *L, const void *table, int place, const char *s, size_t n,
						 struct reef_model_kept *kept);

/* The same for nil. The key may come back as any other does. */
void reef_model_clear(const void *table, int place);

/* Is that string at the place? */
bool reef_model_has(const void *table, int place, const char *s, size_t size);

#endif
