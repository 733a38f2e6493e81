/* What is in a VM's heap, and by which way it is reached: a walk from its roots, broadest first, so that each object has a
 * shortest path. It can be done in pieces while the service goes on; until it is over nothing is collected.
 *
 * Own slice only. The walk belongs to who has begun it. What all VMs share is left out. */
#ifndef REEF_PROFILE_HEAP_H
#define REEF_PROFILE_HEAP_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <lua.h>

#include "core/array.h"
#include "core/ptrmap.h"

enum reef_heap_type {
	REEF_HEAP_STRING,
	REEF_HEAP_TABLE,
	REEF_HEAP_FUNCTION,
	REEF_HEAP_USERDATA,
	REEF_HEAP_THREAD,
	REEF_HEAP_PROTO,
	REEF_HEAP_UPVALUE,
	REEF_HEAP_TYPES
};

/* How an object is reached from the one before. */
enum reef_heap_edge {
	REEF_HEAP_ROOT, /* text */
	REEF_HEAP_FIELD,
	REEF_HEAP_INDEX,
	REEF_HEAP_OTHER_KEY,
	REEF_HEAP_IS_KEY,
	REEF_HEAP_METATABLE,
	REEF_HEAP_UPVALUE_NAMED,
	REEF_HEAP_LOCAL,
	REEF_HEAP_PART /* of a function, a userdata, ... */
};

struct reef_heap_node {
	const void *object;
	uint64_t bytes;  /* its own, and those of small strings in it; after the sums: of all that hangs on it */
	uint32_t parent; /* index; that of itself: a root */
	uint8_t edge, type;
	union {
		const void *text; /* char * of a root, else a TString */
		lua_Integer index;
	} by;
};

struct reef_heap {
	lua_State *L;
	struct reef_ptrmap seen;
	struct REEF_ARRAY(struct reef_heap_node) nodes;
	size_t next;       /* node that is looked into */
	size_t cursor;     /* entry of that table */
	size_t most;       /* nodes */
	bool full;         /* there were more, or there was no memory for them */
	uint8_t collector; /* its state before */
	bool holding;
	struct {
		uint64_t count, bytes;
	} types[REEF_HEAP_TYPES];
};

/* Begins; `most`: objects that are looked into. */
void reef_heap_begin(struct reef_heap *heap, lua_State *L, size_t most);
/* Goes on for about that time; true: it is over. */
bool reef_heap_step(struct reef_heap *heap, uint64_t ns);
/* The collector may go on. Again it does nothing. */
void reef_heap_let_go(struct reef_heap *heap);
/* Sums up, in each node, what hangs on it. Once, after the last step. */
void reef_heap_sum(struct reef_heap *heap);
void reef_heap_fini(struct reef_heap *heap);

/* The text of a node's path, shortened at the front where it is too long; while the collector stands still. */
void reef_heap_path(const struct reef_heap *heap, size_t node, char *path, size_t size);

#endif
