/* Inside of snapshots: what freezing tables (freeze_table.h) and freezing code (freeze_code.h) share. One thread; the
 * snapshot owns what is copied. */
#ifndef REEF_SHARETABLE_FREEZE_H
#define REEF_SHARETABLE_FREEZE_H

#include <stdbool.h>

#include "arena.h"
#include "core/array.h"
#include "core/ptrmap.h"
#include "sharetable/overlay/ov.h"
#include "sharetable/overlay/owner.h"
#include "trail.h"

struct reef_snapshot {
	struct reef_owner owner;
	struct reef_arena arena;
	Table *table; /* the root: a table */
	Proto *code;  /* or a function's code */
	char name[];
};

struct reef_codelist {
	const Proto *source;
	Proto *copy;
};

struct reef_freeze {
	lua_State *L; /* the VM that is read; nothing is allocated in it */
	struct reef_owner *owner;
	struct reef_arena *arena;
	struct reef_ptrmap copies;                     /* object of the VM -> its copy */
	struct reef_trail tables;                      /* found; data: the copy, to be filled */
	struct REEF_ARRAY(struct reef_codelist) codes; /* found, to be filled */
	bool passing;                                  /* what is made may go while VMs live, and is walked for then */
	bool ready_functions;                          /* code without upvalues gets a function that all VMs use */
	char *why;                                     /* the message for the caller: why this cannot be shared */
	size_t why_size;
};

/* All of these: false or NULL after an error, with the message written. */
TString *reef_freeze_string(struct reef_freeze *freeze, const TString *source, bool identifier);
void *reef_freeze_alloc(struct reef_freeze *freeze, size_t size);
bool reef_freeze_no_memory(struct reef_freeze *freeze);
/* Makes a copied object shared. */
void reef_freeze_mark(struct reef_freeze *freeze, GCObject *o, int tag);

#endif
