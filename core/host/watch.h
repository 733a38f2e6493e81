/* What a service does while its main function runs in a VM that is only looked at (copy_build.h): it may do nothing that
 * is felt outside the VM, and nothing whose outcome is another one each time.
 *
 * Each call of a C function is seen by a hook and held against a list of those that are known to be harmless; the first
 * other one raises, before it has begun, and ends the attempt. Belongs to the build; the slice of the host that it is for. */
#ifndef REEF_WATCH_H
#define REEF_WATCH_H

#include <stdbool.h>
#include <stddef.h>

#include <lua.h>

#include "core/array.h"
#include "core/text.h"

struct reef_watch {
	const char *refusal; /* NULL: nothing so far that cannot be repeated. Lives as long as the process */
	struct REEF_ARRAY(lua_CFunction) harmless;
	lua_CFunction tostring, format, searchpath; /* harmless, if they are given no object; if `require` calls it */
	lua_CFunction search_c;                     /* called when package.path does not lead to a module */
	bool searching;
	bool entered;           /* the first call, which is of who runs the main function */
	int starts;             /* functions that are to run when the first message comes */
	int counts;             /* of a million instructions each */
	struct reef_text notes; /* of what was found outside, or not: see reef_watch_finds_the_same */
};

/* What the VM that this thread runs is watched by; NULL: it is not. */
struct reef_watch *reef_watch_current(void);

/* From now on; L, the main thread, runs. False: there was no memory. */
bool reef_watch_begin(struct reef_watch *watch, lua_State *L);
void reef_watch_end(lua_State *L);
void reef_watch_fini(struct reef_watch *watch);

/* The function at index 2 of L is to run after `cs` hundredths of a second. `dropped`: nobody wants its coroutine. */
void reef_watch_start(struct reef_watch *watch, lua_State *L, lua_Integer cs, bool dropped);
/* A module was looked for in that path, and found in that file; NULL: nowhere. */
void reef_watch_searched(struct reef_watch *watch, const char *name, const char *path, const char *file);
/* A variable of the configuration is not set. */
void reef_watch_asked_missing(struct reef_watch *watch, const char *variable);
/* Something was met by what this thread watches, if it does, that may be another one the next time. */
void reef_watch_refuse(const char *reason);
/* Are the files and variables that these notes are of (`reef_watch.notes`) still there, and the others still not? Any
 * thread. */
bool reef_watch_finds_the_same(const char *notes, size_t size);

/* The reason that is none for the next attempt. */
extern const char reef_no_memory[];

#endif
