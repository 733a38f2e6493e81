/* Decimal fractions of few digits, without a walk through strtod. Free of state. */
#ifndef REEF_DECIMAL_H
#define REEF_DECIMAL_H

#include <stdint.h>

#define REEF_DECIMAL_DIGITS 15 /* so many are exact as a double, and so is ten to their power */

/* The number of at most REEF_DECIMAL_DIGITS digits that has `fraction` of them behind its point. What is divided is exact,
 * both of it, so the quotient is the nearest double, as strtod has it. */
static inline double reef_decimal(uint64_t digits, unsigned fraction) {
	static const double tens[REEF_DECIMAL_DIGITS + 1] = {1e0, 1e1, 1e2,  1e3,  1e4,  1e5,  1e6,  1e7,
														 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14, 1e15};
	return (double)digits / tens[fraction];
}

#endif
