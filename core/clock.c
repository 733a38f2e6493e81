/* Clocks: see clock.h. */
#include "clock.h"

#include <time.h>

#include "seam.h"
#include "sim.h"

static struct reef_clock_start start, replayed;

static uint64_t nanoseconds_of(const struct timespec *t) {
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

void reef_clock_init(void) {
	struct timespec wall, grain;
	reef_clock_wall(&wall);
	start.second = (uint32_t)wall.tv_sec;
	start.cs = (uint64_t)wall.tv_nsec / 10000000u;
	start.ns = reef_now_ns();
	clock_getres(CLOCK_MONOTONIC_COARSE, &grain);
	start.grain_ns = nanoseconds_of(&grain);
	if (replayed.ns == 0)
		replayed = start;
	if (replayed.grain_ns == 0)
		replayed.grain_ns = start.grain_ns;
}

struct reef_clock_start reef_clock_start(void) {
	return start;
}

void reef_clock_replay(const struct reef_clock_start *of) {
	replayed = *of;
}

static uint64_t read_clock(clockid_t clock) {
	struct timespec t;
	clock_gettime(clock, &t);
	return nanoseconds_of(&t);
}

/* Where time is not simply the system's. */
static __attribute__((noinline, cold)) uint64_t other_time(clockid_t clock) {
	return reef_sim_on ? reef_sim_now() : (uint64_t)reef_seam_number(REEF_SEAM_TIME, (int64_t)read_clock(clock));
}

uint64_t reef_now_ns(void) {
	return __builtin_expect(reef_sim_on | reef_seam_is_on(), 0) ? other_time(CLOCK_MONOTONIC)
																: read_clock(CLOCK_MONOTONIC);
}

uint64_t reef_coarse_ns(void) {
	return __builtin_expect(reef_sim_on | reef_seam_is_on(), 0) ? other_time(CLOCK_MONOTONIC_COARSE)
																: read_clock(CLOCK_MONOTONIC_COARSE);
}

/* As the running service sees it. */
static const struct reef_clock_start *start_seen(void) {
	return reef_seam_here() ? &replayed : &start;
}

uint64_t reef_coarse_grain(void) {
	return start_seen()->grain_ns;
}

uint64_t reef_now_cs(void) {
	const struct reef_clock_start *seen = start_seen();
	return seen->cs + (reef_now_ns() - seen->ns) / 10000000u;
}

uint32_t reef_start_time(void) {
	return start_seen()->second;
}

void reef_clock_wall(struct timespec *now) {
	if (__builtin_expect(!(reef_sim_on | reef_seam_is_on()), 1)) {
		clock_gettime(CLOCK_REALTIME, now);
		return;
	}
	uint64_t ns = reef_sim_on ? reef_sim_wall()
							  : (uint64_t)reef_seam_number(REEF_SEAM_WALL, (int64_t)read_clock(CLOCK_REALTIME));
	*now = (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

double reef_wall_seconds(void) {
	struct timespec now;
	reef_clock_wall(&now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
