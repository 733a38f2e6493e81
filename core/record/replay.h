/* Replaying the record of a service. One in a process, which has nothing else to do. */
#ifndef REEF_REPLAY_H
#define REEF_REPLAY_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "format.h"

struct reef_host;
struct reef_host_seam;

struct reef_replay_options {
	const char *file;
	const char *path; /* of the file, from the root on */
	const char *with; /* a file that is loaded in the place of the one of that name */
	double until;     /* seconds of the record; 0: to its end */
	double speed;     /* times as fast as it was; 0: as fast as it goes */
	uint64_t stop;    /* a prompt before that message; 0: none */
	uint64_t stack;   /* what is at work where the record has that offset is shown, and nothing else; 0: not so */
	bool recorded;    /* the service's files are those of the record */
	bool quiet;
};

/* The first item behind the head is next. */
void reef_replay_begin(const struct reef_replay_options *options, const struct reef_record_reader *reader,
					   int64_t start_ns);
/* Is this process a replay? */
bool reef_replay_is_on(void);
struct reef_host_seam *reef_replay_make(struct reef_host *host);

#endif
