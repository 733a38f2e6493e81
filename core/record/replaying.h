/* The replay of this process, as its files share it, and how it speaks: difference.c compares, cursor.c has the place in the
 * record, replaying_seam.c what passes the seam, replay.c plays messages and events. Its service's slices only. */
#ifndef REEF_REPLAYING_H
#define REEF_REPLAYING_H

#include <stdbool.h>
#include <stdint.h>

#include "format.h"
#include "replay.h"
#include "tape.h"

struct reef_replaying {
	struct reef_tape tape;
	struct reef_replay_options options;
	struct reef_record_reader reader, beginning;
	struct reef_item next; /* if `has_next` */
	bool on, has_next;
	bool exact;       /* no look at the clock too many or too few */
	int64_t start_ns; /* when the record began */
	int64_t time_ns, wall_ns;
	int64_t paced_ns;
	uint64_t messages, events, deeds, lines, answers, differences;
	bool has_files;    /* the record has the service's code */
	bool code_changed; /* and what was loaded is not all the same */
	bool with_used;    /* the file that `--with` names was loaded */
	char *text;        /* the last one that was given */
};
extern struct reef_replaying reef_replaying;

/* Of the record, since it began. */
double reef_replaying_seconds(void);

enum { REEF_REPLAY_ENDED_WELL, REEF_REPLAY_ENDED_ILL };

/* A line of the replay's own. */
void reef_replay_say(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* The stack of the Lua code that is at work, or of what has failed, or that there is none. Good until the next call. */
const char *reef_replay_stack(void);

#endif
