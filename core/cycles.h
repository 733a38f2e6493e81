/* A clock cheap enough to be read for every message: the processor's cycle counter where it runs at a constant rate
 * and user code may read it, CLOCK_MONOTONIC elsewhere. Any thread. */
#ifndef REEF_CYCLES_H
#define REEF_CYCLES_H

#include <stdint.h>
#include <time.h>

#if defined(__x86_64__)
static inline uint64_t reef_cycles(void) {
	return __builtin_ia32_rdtsc();
}
#elif defined(__aarch64__)
static inline uint64_t reef_cycles(void) {
	uint64_t t;
	__asm__ volatile("mrs %0, cntvct_el0" : "=r"(t));
	return t;
}
#else
static inline uint64_t reef_cycles(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC, &t);
	return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}
#endif

/* In a simulation, where nothing depends on how fast the processor is, a number of cycles is no time, and any time is more
 * cycles than there are. Otherwise: measures the rate; once, at start-up, before the others are used. Takes a fifth of a millisecond. */
void reef_cycles_calibrate(void);
double reef_cycles_to_seconds(uint64_t cycles);
uint64_t reef_cycles_from_us(uint64_t microseconds);

extern unsigned reef_cycles_coarse_shift;
/* A coarse reading of the counter in 32 bits: a step is four to eight milliseconds, so differences are good for half a
 * year and more. */
static inline uint32_t reef_cycles_coarse(uint64_t cycles) {
	return (uint32_t)(cycles >> reef_cycles_coarse_shift);
}
double reef_cycles_coarse_to_seconds(uint32_t steps);

#endif
