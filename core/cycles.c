/* The rate of the cycle counter, measured against CLOCK_MONOTONIC. */
#include "cycles.h"

#include "clock.h"

static double cycles_per_ns = 1.0;

void reef_cycles_calibrate(void) {
	uint64_t ns0 = reef_now_ns(), cycles0 = reef_cycles(), ns1;
	do {
		ns1 = reef_now_ns();
	} while (ns1 - ns0 < 200000);
	cycles_per_ns = (double)(reef_cycles() - cycles0) / (double)(ns1 - ns0);
}

double reef_cycles_to_seconds(uint64_t cycles) {
	return (double)cycles / cycles_per_ns / 1e9;
}

uint64_t reef_cycles_from_us(uint64_t microseconds) {
	return (uint64_t)((double)microseconds * 1000.0 * cycles_per_ns);
}
