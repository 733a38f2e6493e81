/* See rfc3339.h. */
#include "rfc3339.h"

#include <time.h>

static bool two_digits(const char **p, int *out) {
	const char *s = *p;
	if (s[0] < '0' || s[0] > '9' || s[1] < '0' || s[1] > '9') {
		return false;
	}
	*out = (s[0] - '0') * 10 + s[1] - '0';
	*p += 2;
	return true;
}

static bool character(const char **p, char c) {
	if (**p != c) {
		return false;
	}
	(*p)++;
	return true;
}

static bool fraction(const char **p, int *ms) {
	int weight = 100;
	*ms = 0;
	if (**p != '.') {
		return true;
	}
	(*p)++;
	if (**p < '0' || **p > '9') {
		return false;
	}
	for (; **p >= '0' && **p <= '9'; (*p)++) {
		*ms += weight * (**p - '0');
		weight /= 10;
	}
	return true;
}

static bool zone(const char **p, int *minutes) {
	int sign = **p == '-' ? -1 : 1;
	int hour, minute;
	*minutes = 0;
	if (character(p, 'Z')) {
		return true;
	}
	if (!character(p, '+') && !character(p, '-')) {
		return false;
	}
	if (!two_digits(p, &hour)) {
		return false;
	}
	character(p, ':');
	if (!two_digits(p, &minute) || hour > 23 || minute > 59) {
		return false;
	}
	*minutes = sign * (hour * 60 + minute);
	return true;
}

bool reef_rfc3339_parse(const char *s, int64_t *out) {
	struct tm tm = {0};
	int century, year, ms, minutes;
	if (!two_digits(&s, &century) || !two_digits(&s, &year) || !character(&s, '-') || !two_digits(&s, &tm.tm_mon) ||
		!character(&s, '-') || !two_digits(&s, &tm.tm_mday) || !character(&s, 'T') || !two_digits(&s, &tm.tm_hour) ||
		!character(&s, ':') || !two_digits(&s, &tm.tm_min) || !character(&s, ':') || !two_digits(&s, &tm.tm_sec) ||
		!fraction(&s, &ms) || !zone(&s, &minutes) || *s != 0) {
		return false;
	}
	if (tm.tm_mon < 1 || tm.tm_mon > 12 || tm.tm_mday < 1 || tm.tm_mday > 31 || tm.tm_hour > 23 || tm.tm_min > 59 ||
		tm.tm_sec > 60) {
		return false;
	}
	tm.tm_year = century * 100 + year - 1900;
	tm.tm_mon--;
	*out = ((int64_t)timegm(&tm) - minutes * 60) * 1000 + ms;
	return true;
}
