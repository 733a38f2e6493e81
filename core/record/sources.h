/* The service's own Lua files: their texts are in its record, so that the code that was recorded is there when the files have
 * changed, or are gone. Reef's own files are not. Own slice only. */
#ifndef REEF_RECORD_SOURCES_H
#define REEF_RECORD_SOURCES_H

#include <stdbool.h>

#include <lua.h>

#include "core/host/seam.h"

/* Load a file, as reef_host_seam.load: one that is recorded; one in a replay, where `--with` may have another, and what is not
 * there comes from the record. With `--recorded` all does. */
int reef_sources_record(struct reef_host_seam *seam, lua_State *L, const char *name, const char *mode,
						reef_host_load *load);
int reef_sources_replay(struct reef_host_seam *seam, lua_State *L, const char *name, const char *mode,
						reef_host_load *load);

/* Of a replay: has the record that file? */
bool reef_sources_has(const char *name);

#endif
