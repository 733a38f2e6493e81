/* Who in a VM refers to shared objects that may go: so that to find all these references not all of the VM has to be gone
 * through. From the moment that a VM begins to keep them, tables (that have the bit of ov.h), closed upvalues, closures and
 * userdata are noted when they get such a reference, and all coroutines when they are made, since nobody sees what is put
 * on a stack; the collector takes those out that it will free. Nobody else leaves, so who is there may refer to such an
 * object no more.
 *
 * The lists are the VM's, in memory of its allocator that is not counted as Lua's. Used by the VM's slice only.
 */
#ifndef REEF_SHARETABLE_REFERRERS_H
#define REEF_SHARETABLE_REFERRERS_H

#include <stdbool.h>
#include <stddef.h>

struct lua_State;
struct global_State;
struct GCObject;

struct reef_referrer_list {
	struct GCObject **items;
	size_t count, capacity;
};

struct reef_referrers {
	struct reef_referrer_list tables, others;
	bool lost;  /* there was no memory to note one */
	bool dying; /* a dead coroutine had upvalues open, which may live, when it left */
};

/* Begins to keep them, with a look at every object, unless they are kept already and all are there. False when out of
 * memory. */
bool reef_referrers_begin(struct lua_State *L);
/* All of a VM that has begun: but for the main coroutine each once, those that were noted last included. Valid until
 * something in the VM is written or collected. */
const struct reef_referrers *reef_referrers_all(struct lua_State *L);
bool reef_referrers_kept(struct lua_State *L);

/* Does an object have such a reference, or is it one that may at any time? */
bool reef_is_referrer(const struct GCObject *o);

/* The collector has marked all that lives. */
void reef_referrers_collected(struct global_State *g);
/* The VM's objects are gone. */
void reef_referrers_end(struct global_State *g);

#endif
