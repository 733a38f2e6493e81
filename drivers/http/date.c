/* See date.h. */
#include "drivers/http/date.h"

#include <stdio.h>

#include "core/clock.h"

/* RFC 9110, section 6.6.1. */
const struct reef_http_date *reef_http_date_now(void) {
	static _Thread_local struct reef_http_date date;
	static const char days[][4] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
	static const char months[][4] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
									 "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
	struct timespec wall;
	reef_clock_wall(&wall);
	time_t now = wall.tv_sec;
	struct tm t;
	if (now == date.at || gmtime_r(&now, &t) == NULL)
		return &date;
	date.at = now;
	date.size = (size_t)snprintf(date.line, sizeof date.line, "date: %s, %02d %s %04d %02d:%02d:%02d GMT\r\n",
								 days[t.tm_wday], t.tm_mday, months[t.tm_mon], t.tm_year + 1900, t.tm_hour, t.tm_min,
								 t.tm_sec);
	return &date;
}
