/* The clocks of the process. Any thread. */
#ifndef REEF_CLOCK_H
#define REEF_CLOCK_H

#include <stdint.h>
#include <time.h>

/* When the process started, on each clock. */
struct reef_clock_start {
	uint64_t ns; /* as reef_now_ns, */
	uint64_t cs; /* as reef_now_cs, */
	uint32_t second;
	uint64_t grain_ns; /* of reef_coarse_ns */
};

/* The process starts now; once, before the others are used. */
void reef_clock_init(void);
struct reef_clock_start reef_clock_start(void);
/* What a service sees that is replayed: the start of the process that it ran in. */
void reef_clock_replay(const struct reef_clock_start *start);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t reef_now_ns(void);
/* The same scale from a clock that costs nothing, a few milliseconds behind at most. */
uint64_t reef_coarse_ns(void);
/* How far behind it may be: the same all the time. */
uint64_t reef_coarse_grain(void);
/* Hundredths of a second since the start, beginning with the wall clock's fraction, as `skynet.now`. */
uint64_t reef_now_cs(void);
/* Wall-clock second of the start, as `skynet.starttime`. */
uint32_t reef_start_time(void);
/* The wall clock: since 1970, and in seconds. */
void reef_clock_wall(struct timespec *now);
double reef_wall_seconds(void);

#endif
