/* The replay of this process, as its files share it: difference.c compares and says, cursor.c has the place in the record,
 * replaying.c what passes the seam, replay.c plays messages and events. Its service's slices only. */
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
	char *text; /* the last one that was given */
};
extern struct reef_replaying reef_replaying;

/* Of the record, since it began. */
double reef_replaying_seconds(void);
/* Its service, whose host that is, is replayed from here on. */
void reef_replaying_begin(struct reef_host *host);

#endif
