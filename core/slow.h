/* The slowest messages of the last minutes, for who looks at the process from outside.
 *
 * A worker compares how long a message took with one number, reef_slow_above: that is the threshold from which on slow
 * messages are counted, or a lower one while the list is kept, which rises as the list fills. So only what enters the list
 * pays for it. Nothing is kept before somebody asks for it. */
#ifndef REEF_SLOW_H
#define REEF_SLOW_H

#include <stdatomic.h>
#include <stddef.h>
#include <stdint.h>

struct reef_service;

/* Cycles: a message that took longer is told to reef_slow_note. */
extern _Atomic uint64_t reef_slow_above;

/* Messages that take longer than `counted` cycles are counted as slow. Once, at start-up. */
void reef_slow_init(uint64_t counted);
/* From now on the slowest are kept. Any thread. */
void reef_slow_keep(void);
/* A message of the service took `cycles`. Its worker only. */
void reef_slow_note(struct reef_service *service, unsigned kind, uint32_t source, uint64_t cycles);
/* Old ones are forgotten, and the threshold sinks. Now and then, any thread. */
void reef_slow_age(void);

struct reef_slow {
	double time;    /* of its end, seconds since 1970 */
	double seconds; /* that it took */
	uint32_t service, source;
	unsigned kind; /* reef_service_kind_of */
	char name[64]; /* the beginning of the service's description */
};
enum { REEF_SLOW_MOST = 50 };
/* The slowest ones, in no order; returns how many. Any thread. */
size_t reef_slow_list(struct reef_slow list[2 * REEF_SLOW_MOST]);

#endif
