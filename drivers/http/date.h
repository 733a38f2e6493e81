/* The line Date of a response. Each thread has its own, which is made anew each second. */
#ifndef REEF_HTTP_DATE_H
#define REEF_HTTP_DATE_H

#include <stddef.h>
#include <time.h>

struct reef_http_date {
	time_t at; /* 0: none was made yet */
	size_t size;
	char line[64];
};

const struct reef_http_date *reef_http_date_now(void);

#endif
