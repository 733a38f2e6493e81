/* See deadline.h. */
#include "deadline.h"

#include "core/clock.h"
#include "core/host/host.h"
#include "pending.h"

#define LOOK_NS 1000000u     /* in which the sockets are polled */
#define STOPPED_NS 50000000u /* nobody polled: the process stood still */
#define LOOKS 20

uint64_t reef_deadline_clock(void) {
	return reef_coarse_ns();
}

uint64_t reef_deadline_grain(void) {
	return reef_coarse_grain();
}

/* May what was due at the last look be given up? Not while bytes still come, nor if the process did not get to run
 * meanwhile; but it is not put off for ever. */
static bool has_looked(const struct reef_deadline *deadline, uint64_t now_ns) {
	if (deadline->looked_ns == 0)
		return false;
	return deadline->looks >= LOOKS ||
		   (now_ns - deadline->looked_ns < STOPPED_NS && *deadline->heard == deadline->heard_then);
}

static void fire(struct reef_host *host, void *ud);

static void set_timer(struct reef_deadline *deadline, uint64_t at_ns) {
	reef_deadline_fini(deadline);
	deadline->armed_ns = at_ns;
	deadline->session = reef_host_timer_add(deadline->host, at_ns, fire, deadline);
}

static void fire(struct reef_host *host, void *ud) {
	struct reef_deadline *deadline = ud;
	uint64_t now = reef_now_ns(), looked = deadline->looked_ns;
	uint64_t until = has_looked(deadline, now) ? looked : 0;
	(void)host;
	deadline->armed_ns = REEF_NO_DEADLINE;
	deadline->looked_ns = 0;
	uint64_t next = deadline->due(deadline, until);
	if (next > now) {
		deadline->looks = 0;
		if (next != REEF_NO_DEADLINE)
			reef_deadline_arm(deadline, next);
		return;
	}
	set_timer(deadline, now + LOOK_NS);
	deadline->looks = looked ? deadline->looks + 1 : 0;
	deadline->looked_ns = now;
	deadline->heard_then = *deadline->heard;
}

void reef_deadline_init(struct reef_deadline *deadline, struct reef_host *host,
						uint64_t (*due)(struct reef_deadline *deadline, uint64_t until_ns), const uint64_t *heard) {
	*deadline = (struct reef_deadline){.host = host, .due = due, .armed_ns = REEF_NO_DEADLINE, .heard = heard};
}

void reef_deadline_fini(struct reef_deadline *deadline) {
	deadline->looked_ns = 0;
	if (deadline->armed_ns != REEF_NO_DEADLINE) {
		reef_host_timer_cancel(deadline->host, deadline->session);
		deadline->armed_ns = REEF_NO_DEADLINE;
	}
}

void reef_deadline_arm(struct reef_deadline *deadline, uint64_t at_ns) {
	if (at_ns >= deadline->armed_ns || deadline->looked_ns != 0)
		return;
	set_timer(deadline, at_ns);
}
