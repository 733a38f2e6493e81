/* The clocks of the process. Any thread. */
#ifndef REEF_CLOCK_H
#define REEF_CLOCK_H

#include <stdint.h>
#include <time.h>

/* The process starts now; once, before the others are used. */
void reef_clock_init(void);

/* Nanoseconds of CLOCK_MONOTONIC. */
uint64_t reef_now_ns(void);
/* The same scale from a clock that costs nothing, a few milliseconds behind at most. */
uint64_t reef_coarse_ns(void);
/* Hundredths of a second since the start, beginning with the wall clock's fraction, as `skynet.now`. */
uint64_t reef_now_cs(void);
/* Wall-clock second of the start, as `skynet.starttime`. */
uint32_t reef_start_time(void);
/* The wall clock: since 1970, and in seconds. */
void reef_clock_wall(struct timespec *now);
double reef_wall_seconds(void);

#endif
