/* Clocks: see clock.h. */
#include "clock.h"

#include <time.h>

#include "sim.h"

static uint64_t start_ns;
static uint64_t start_cs;
static uint32_t start_second;

void reef_clock_init(void) {
	struct timespec wall;
	reef_clock_wall(&wall);
	start_second = (uint32_t)wall.tv_sec;
	start_cs = (uint64_t)wall.tv_nsec / 10000000u;
	start_ns = reef_now_ns();
}

uint64_t reef_now_ns(void) {
	if (__builtin_expect(reef_sim_on, 0))
		return reef_sim_now();
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t reef_coarse_ns(void) {
	if (__builtin_expect(reef_sim_on, 0))
		return reef_sim_now();
	struct timespec now;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &now);
	return (uint64_t)now.tv_sec * 1000000000u + (uint64_t)now.tv_nsec;
}

uint64_t reef_now_cs(void) {
	return start_cs + (reef_now_ns() - start_ns) / 10000000u;
}

uint32_t reef_start_time(void) {
	return start_second;
}

void reef_clock_wall(struct timespec *now) {
	if (__builtin_expect(!reef_sim_on, 1)) {
		clock_gettime(CLOCK_REALTIME, now);
		return;
	}
	uint64_t ns = reef_sim_wall();
	*now = (struct timespec){.tv_sec = (time_t)(ns / 1000000000u), .tv_nsec = (long)(ns % 1000000000u)};
}

double reef_wall_seconds(void) {
	struct timespec now;
	reef_clock_wall(&now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
