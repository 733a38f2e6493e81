/* One timer for all deadlines of a channel.
 *
 * It is set for the nearest of them. When a request is answered in time nothing happens; the timer then finds nothing
 * due, and is set again for whatever is the nearest then. So a channel costs one timer message per time-out period, not
 * one per request. Own slice only.
 */
#ifndef REEF_DEADLINE_H
#define REEF_DEADLINE_H

#include <stdint.h>

struct reef_host;

struct reef_deadline {
	struct reef_host *host;
	/* Something may be due; returns the nearest deadline that is still to come, REEF_NO_DEADLINE if there is none. */
	uint64_t (*due)(struct reef_deadline *deadline, uint64_t now_ns);
	uint64_t armed_ns; /* REEF_NO_DEADLINE: not set */
	int32_t session;
};

void reef_deadline_init(struct reef_deadline *deadline, struct reef_host *host,
						uint64_t (*due)(struct reef_deadline *deadline, uint64_t now_ns));
/* No further call of `due`. */
void reef_deadline_fini(struct reef_deadline *deadline);
/* Makes sure that `due` is called at that time or earlier. */
void reef_deadline_arm(struct reef_deadline *deadline, uint64_t at_ns);

/* The clock that deadlines of requests are reckoned from: cheap, and never ahead of reef_now_ns. A deadline of
 * reef_deadline_clock() + reef_deadline_grain() + t is not before t has passed. */
uint64_t reef_deadline_clock(void);
uint64_t reef_deadline_grain(void);

#endif
