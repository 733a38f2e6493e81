/* See csv_number.h. */
#include "csv_number.h"

#define SMALL_DIGITS 18 /* so many fit in 64 bits, whatever they are */

static const char *past_digits(const char *p) {
	while (*p >= '0' && *p <= '9')
		p++;
	return p;
}

bool reef_csv_is_number(const char *s, size_t n, struct reef_csv_number *number) {
	const char *digits = s + (*s == '-' || *s == '+'), *p = digits;
	lua_Unsigned value = 0;
	for (; *p >= '0' && *p <= '9'; p++)
		value = value * 10 + (lua_Unsigned)(*p - '0');
	size_t whole = (size_t)(p - digits), fraction = 0;
	number->leading_zero = whole > 1 && *digits == '0';
	number->plain = *s != '+';
	if (*p == '.') {
		number->plain = false;
		fraction = (size_t)(past_digits(p + 1) - (p + 1));
		p += 1 + fraction;
	}
	if (whole + fraction == 0)
		return false;
	if (*p == 'e' || *p == 'E') {
		number->plain = false;
		p++;
		p += *p == '-' || *p == '+';
		if (past_digits(p) == p)
			return false;
		p = past_digits(p);
	}
	number->small = number->plain && whole <= SMALL_DIGITS;
	number->value = (lua_Integer)(*s == '-' ? 0 - value : value);
	return p == s + n;
}
