/* What records and replays of a service have in common: what its VM is given in the place of the libraries that look outside,
 * and functions whose results are recorded. Own slice only. */
#ifndef REEF_RECORD_TAPE_H
#define REEF_RECORD_TAPE_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "core/host/seam.h"

struct reef_tape {
	struct reef_host_seam host;
	/* What a function has returned, as bytes: recorded, or, in a replay, those of the record. */
	void (*put_values)(struct reef_tape *tape, const char *bytes, size_t size);
	const char *(*get_values)(struct reef_tape *tape, size_t *size);
	/* Has the record that file? NULL: it is being made. */
	bool (*knows_file)(const char *name);
	/* Something is used that cannot be recorded: its name. */
	void (*note)(struct reef_tape *tape, const char *what);
	struct reef_deferred *deferred, **deferred_tail;
};

struct reef_tape *reef_tape_of(lua_State *L);

/* Replaces what looks outside in the libraries of a new VM; as reef_host_seam.opened. */
void reef_tape_open_libraries(struct reef_host_seam *seam, lua_State *L);
/* Opens a C module; as reef_host_seam.module. */
int reef_tape_open_module(struct reef_host_seam *seam, lua_State *L, const char *name, lua_CFunction open);

void reef_tape_defer(struct reef_seam *seam, struct reef_deferred *deferred);
/* Does what was deferred. */
void reef_tape_run_deferred(struct reef_tape *tape);

#endif
