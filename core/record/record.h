/* Recording services: which ones, and what becomes of their records. Any thread. */
#ifndef REEF_RECORD_H
#define REEF_RECORD_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_host;
struct reef_host_seam;

/* The seam of a new service that is to be recorded; NULL: it is not. Its own slice. */
struct reef_host_seam *reef_record_make(struct reef_host *host, const char *arguments);

/* Services of that name are recorded from their start on, from now on. `file`: the next one's record; NULL: one for each, in
 * the folder `record_path`. */
void reef_record_want(const char *name, const char *file);
/* Those that start from now on are not. False: they were not. */
bool reef_record_want_no_more(const char *name);

/* The names of those that will be recorded when they start, each with a NUL behind it; as many as have room in `size` bytes.
 * Returns the bytes that all take. */
size_t reef_record_wanted(char *to, size_t size);

/* Of a service that is recorded now. */
struct reef_record_state {
	uint32_t handle;
	char name[64], path[512];
	uint64_t bytes;
	char stopped[160]; /* why nothing more is written; empty: it is */
};
/* Fills in at most n of them; how many there are. */
size_t reef_record_states(struct reef_record_state *states, size_t n);

#endif
