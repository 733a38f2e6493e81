/* See deadline.h. */
#include "deadline.h"

#include <time.h>

#include "core/host/host.h"
#include "core/timer.h"
#include "pending.h"

static uint64_t nanoseconds(const struct timespec *t) {
	return (uint64_t)t->tv_sec * 1000000000u + (uint64_t)t->tv_nsec;
}

uint64_t reef_deadline_clock(void) {
	struct timespec t;
	clock_gettime(CLOCK_MONOTONIC_COARSE, &t);
	return nanoseconds(&t);
}

uint64_t reef_deadline_grain(void) {
	struct timespec t;
	clock_getres(CLOCK_MONOTONIC_COARSE, &t);
	return nanoseconds(&t);
}

static void fire(struct reef_host *host, void *ud) {
	struct reef_deadline *deadline = ud;
	(void)host;
	deadline->armed_ns = REEF_NO_DEADLINE;
	uint64_t next = deadline->due(deadline, reef_now_ns());
	if (next != REEF_NO_DEADLINE)
		reef_deadline_arm(deadline, next);
}

void reef_deadline_init(struct reef_deadline *deadline, struct reef_host *host,
						uint64_t (*due)(struct reef_deadline *deadline, uint64_t now_ns)) {
	*deadline = (struct reef_deadline){.host = host, .due = due, .armed_ns = REEF_NO_DEADLINE};
}

void reef_deadline_fini(struct reef_deadline *deadline) {
	if (deadline->armed_ns != REEF_NO_DEADLINE) {
		reef_host_timer_cancel(deadline->host, deadline->session);
		deadline->armed_ns = REEF_NO_DEADLINE;
	}
}

void reef_deadline_arm(struct reef_deadline *deadline, uint64_t at_ns) {
	if (at_ns >= deadline->armed_ns)
		return;
	reef_deadline_fini(deadline);
	deadline->armed_ns = at_ns;
	deadline->session = reef_host_timer_add(deadline->host, at_ns, fire, deadline);
}
