/* One timer for all deadlines of a channel.
 *
 * It is set for the nearest of them. When a request is answered in time nothing happens; the timer then finds nothing
 * due, and is set again for whatever is the nearest then. So a channel costs one timer message per time-out period, not
 * one per request.
 *
 * What has arrived when a clock runs out counts as arrived, also after the process was stopped or the machine paused: so
 * what is due is not given up when the timer comes, but a moment later, when the sockets have been read once more.
 * Own slice only.
 */
#ifndef REEF_DEADLINE_H
#define REEF_DEADLINE_H

#include <stdint.h>

struct reef_host;

struct reef_deadline {
	struct reef_host *host;
	/* Gives up what was due at that time; returns the nearest deadline of what is left, REEF_NO_DEADLINE if there is none. */
	uint64_t (*due)(struct reef_deadline *deadline, uint64_t until_ns);
	uint64_t armed_ns; /* REEF_NO_DEADLINE: not set */
	int32_t session;
	uint64_t looked_ns;    /* when the timer came and something was due; 0: nothing was */
	unsigned looks;        /* times that it was put off */
	const uint64_t *heard; /* bytes received; while they come, the reply may be on its way up */
	uint64_t heard_then;
};

void reef_deadline_init(struct reef_deadline *deadline, struct reef_host *host,
						uint64_t (*due)(struct reef_deadline *deadline, uint64_t until_ns), const uint64_t *heard);
/* No further call of `due`. */
void reef_deadline_fini(struct reef_deadline *deadline);
/* Makes sure that `due` is called at that time or earlier. */
void reef_deadline_arm(struct reef_deadline *deadline, uint64_t at_ns);

/* The clock that deadlines of requests are reckoned from: cheap, and never ahead of reef_now_ns. A deadline of
 * reef_deadline_clock() + reef_deadline_grain() + t is not before t has passed. */
uint64_t reef_deadline_clock(void);
uint64_t reef_deadline_grain(void);

#endif
