/* How often the watchdog looks: see watchdog.h. Of the thread that looks; it knows no clock.
 *
 * Each look wakes a thread, which costs a fifth of a request to a server on the same machine. So looks become rarer
 * while there is nothing to see, as in a process that makes one short request after the other, and frequent again for a while
 * once a message was long, since others may follow. Without any message it sleeps until it is called.
 */
#ifndef REEF_PACE_H
#define REEF_PACE_H

#include <stdbool.h>
#include <stdint.h>

#define REEF_PACE_LEAST_NS 2000000u
#define REEF_PACE_LONG_NS 1500000u /* in one message, before it is a long one; the first look after a sleep sees it */
enum {
	REEF_PACE_DOUBLINGS = 2, /* of the pause between two looks, one with each look, while no message is long */
	REEF_PACE_WARY = 64,     /* looks with the least pause after a long one */
};

struct reef_pace {
	int calm; /* looks without a long message; negative: how many more with the least pause */
};

/* What a look has seen. */
struct reef_pace_look {
	bool any;  /* a message has begun since the last look */
	bool busy; /* a worker is at work */
	bool held; /* one is in a long message */
};

/* Until the next look. */
static inline uint64_t reef_pace_pause_ns(const struct reef_pace *pace) {
	return (uint64_t)REEF_PACE_LEAST_NS << (pace->calm > 0 ? pace->calm : 0);
}

/* After a look. True: it may sleep until a worker has something to do. */
static inline bool reef_pace_note(struct reef_pace *pace, struct reef_pace_look look) {
	if (look.held)
		pace->calm = -REEF_PACE_WARY;
	else if (pace->calm < REEF_PACE_DOUBLINGS)
		pace->calm++;
	if (look.any || look.busy || look.held)
		return false;
	/* What comes after a sleep may be long. */
	if (pace->calm > 0)
		pace->calm = 0;
	return true;
}

#endif
