/* Which services are recorded, and where to. Any thread. */
#ifndef REEF_RECORD_FILES_H
#define REEF_RECORD_FILES_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Of a service that is recorded now. */
struct reef_record_state {
	uint32_t handle;
	char name[64], path[512];
	uint64_t bytes;
	char stopped[160]; /* why nothing more is written; empty: it is */
};

/* Start-up: the names in the key `record`. */
void reef_record_files_setup(void);

/* Services of that name are recorded from their start on, from now on. `file`: the next one's record; NULL: one for each, in
 * the folder `record_path`. */
void reef_record_want(const char *name, const char *file);
/* Those that start from now on are not. False: they were not. */
bool reef_record_want_no_more(const char *name);

/* The names of those that will be recorded when they start, each with a NUL behind it; as many as have room in `size` bytes.
 * Returns the bytes that all take. */
size_t reef_record_wanted(char *to, size_t size);

/* Is a service with these arguments recorded? Then its name and the path of its record are filled in, and of the older
 * records in the folder those are removed that are too many. `ring`: only its last seconds (the key `record_ring`). */
bool reef_record_files_wants(const char *arguments, struct reef_record_state *state, bool *ring);

/* The same for a record more of a service whose name and handle are known. `ending`: of the file's name. */
void reef_record_files_path(struct reef_record_state *state, const char *ending);

#endif
