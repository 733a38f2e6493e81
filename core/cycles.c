/* The rate of the cycle counter, measured against CLOCK_MONOTONIC. */
#include "cycles.h"

#include "clock.h"
#include "sim.h"

#define COARSE_NS 4e6

static double cycles_per_ns = 1.0;
unsigned reef_cycles_coarse_shift = 22;

void reef_cycles_calibrate(void) {
	if (reef_sim_on)
		return;
	uint64_t ns0 = reef_now_ns(), cycles0 = reef_cycles(), ns1;
	do {
		ns1 = reef_now_ns();
	} while (ns1 - ns0 < 200000);
	cycles_per_ns = (double)(reef_cycles() - cycles0) / (double)(ns1 - ns0);
	unsigned shift = 0;
	while ((double)(UINT64_C(1) << shift) < COARSE_NS * cycles_per_ns)
		shift++;
	reef_cycles_coarse_shift = shift;
}

double reef_cycles_to_seconds(uint64_t cycles) {
	return reef_sim_on ? 0 : (double)cycles / cycles_per_ns / 1e9;
}

uint64_t reef_cycles_from_us(uint64_t microseconds) {
	return reef_sim_on ? UINT64_MAX : (uint64_t)((double)microseconds * 1000.0 * cycles_per_ns);
}

double reef_cycles_coarse_to_seconds(uint32_t steps) {
	return reef_cycles_to_seconds((uint64_t)steps << reef_cycles_coarse_shift);
}
