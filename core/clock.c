/* Clocks: see clock.h. */
#include "clock.h"

#include <time.h>

static uint64_t start_ns;
static uint64_t start_cs;
static uint32_t start_second;

void reef_clock_init(void) {
	struct timespec wall;
	clock_gettime(CLOCK_REALTIME, &wall);
	start_second = (uint32_t)wall.tv_sec;
	start_cs = (uint64_t)wall.tv_nsec / 10000000u;
	start_ns = reef_now_ns();
}

uint64_t reef_now_ns(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

uint64_t reef_coarse_ns(void) {
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

double reef_wall_seconds(void) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	return (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}
