/* Waiting for a processor: see run_delay.h. */
#include "run_delay.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

void reef_run_delay_begin(struct reef_run_delay *delay) {
	delay->fd = open("/proc/thread-self/schedstat", O_RDONLY | O_CLOEXEC);
	delay->seen_ns = 0;
	(void)reef_run_delay_ask(delay);
}

void reef_run_delay_end(struct reef_run_delay *delay) {
	if (delay->fd >= 0)
		close(delay->fd);
	delay->fd = -1;
}

uint64_t reef_run_delay_ask(struct reef_run_delay *delay) {
	char text[96];
	ssize_t n = delay->fd >= 0 ? pread(delay->fd, text, sizeof text - 1, 0) : -1;
	if (n <= 0)
		return 0;
	text[n] = 0;
	char *ran;
	(void)strtoull(text, &ran, 10);
	uint64_t now_ns = strtoull(ran, NULL, 10), waited_ns = now_ns - delay->seen_ns;
	delay->seen_ns = now_ns;
	return waited_ns;
}
