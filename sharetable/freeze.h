/* Inside of snapshots: what freezing tables and freezing code share. */
#ifndef REEF_SHARETABLE_FREEZE_H
#define REEF_SHARETABLE_FREEZE_H

#include <stdbool.h>

#include "arena.h"
#include "overlay/ov.h"
#include "overlay/owner.h"
#include "core/ptrmap.h"
#include "trail.h"

struct reef_snapshot {
	struct reef_owner owner;
	struct reef_arena arena;
	Table *table; /* the root: a table */
	Proto *code;  /* or a function's code */
	char name[];
};

struct reef_freeze {
	lua_State *L; /* the VM that is read; nothing is allocated in it */
	struct reef_owner *owner;
	struct reef_arena *arena;
	struct reef_ptrmap copies; /* object of the VM -> its copy */
	struct reef_trail tables;  /* found; data: the copy, to be filled */
	struct reef_codelist {
		const Proto *source;
		Proto *copy;
	} * codes; /* found, to be filled */
	size_t code_count, code_capacity;
	bool ready_functions; /* code without upvalues gets a function that all VMs use */
	char *why;            /* the message for the caller: why this cannot be shared */
	size_t why_size;
};

/* All of these: false or NULL after an error, with the message written. */
bool reef_freeze_table(struct reef_freeze *freeze, Table *source, Table **copy, uint32_t parent, const TValue *key);
Proto *reef_freeze_code(struct reef_freeze *freeze, const Proto *source);
TString *reef_freeze_string(struct reef_freeze *freeze, const TString *source, bool identifier);
/* Works off what was found. */
bool reef_freeze_run(struct reef_freeze *freeze);
bool reef_freeze_run_codes(struct reef_freeze *freeze);

void *reef_freeze_alloc(struct reef_freeze *freeze, size_t size);
bool reef_freeze_no_memory(struct reef_freeze *freeze);
/* Makes a copied object shared. */
void reef_freeze_mark(struct reef_freeze *freeze, GCObject *o, int tag);

#endif
