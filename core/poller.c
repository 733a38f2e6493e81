/* The poller: see poller.h. Whoever holds `held` polls; the others go on or go to bed. */
#include "poller.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include "clock.h"
#include "epoch.h"
#include "net.h"
#include "sim.h"

#define EVENTS_AT_ONCE 256

static int epoll_fd = -1;
static int wakeup_fd = -1;
static reef_poll_handler handlers[REEF_POLL_KINDS];
static const struct reef_poller_work *work;
static atomic_bool held;
static atomic_uint_fast64_t blocked_until;
static bool no_pwait2; /* kernels before 5.11; written by the holder only */

static uint64_t tag(enum reef_poll_kind kind, uint32_t id) {
	return (uint64_t)kind << 32 | id;
}

static void on_wakeup(uint32_t id, uint32_t events) {
	(void)id;
	(void)events;
	uint64_t count;
	while (read(wakeup_fd, &count, sizeof count) > 0)
		;
}

void reef_poller_init(const struct reef_poller_work *other_work) {
	work = other_work;
	if (reef_sim_on)
		return;
	epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	wakeup_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
	reef_poller_set_handler(REEF_POLL_WAKEUP, on_wakeup);
	if (epoll_fd < 0 || wakeup_fd < 0 || reef_poller_add(wakeup_fd, REEF_POLL_WAKEUP, 0, EPOLLIN) != 0) {
		fprintf(stderr, "reef: cannot set up epoll: %s\n", strerror(errno));
		exit(1);
	}
}

void reef_poller_tell(enum reef_poll_kind kind, uint32_t id, uint32_t events) {
	handlers[kind](id, events);
}

void reef_poller_fini(void) {
	close(wakeup_fd);
	close(epoll_fd);
	wakeup_fd = epoll_fd = -1;
}

void reef_poller_set_handler(enum reef_poll_kind kind, reef_poll_handler handler) {
	handlers[kind] = handler;
}

static int control(int operation, int fd, enum reef_poll_kind kind, uint32_t id, uint32_t events) {
	if (reef_sim_on)
		return reef_net->watch(fd, kind, id, events);
	struct epoll_event event = {.events = events | EPOLLET, .data.u64 = tag(kind, id)};
	return epoll_ctl(epoll_fd, operation, fd, &event) == 0 ? 0 : errno;
}

int reef_poller_add(int fd, enum reef_poll_kind kind, uint32_t id, uint32_t events) {
	return control(EPOLL_CTL_ADD, fd, kind, id, events);
}

int reef_poller_modify(int fd, enum reef_poll_kind kind, uint32_t id, uint32_t events) {
	return control(EPOLL_CTL_MOD, fd, kind, id, events);
}

void reef_poller_remove(int fd) {
	if (reef_sim_on)
		return;
	epoll_ctl(epoll_fd, EPOLL_CTL_DEL, fd, NULL);
}

static int wait_events(struct epoll_event *events, uint64_t timeout_ns) {
	if (timeout_ns == 0)
		return epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, 0);
	if (!no_pwait2) {
		struct timespec t = {.tv_sec = (time_t)(timeout_ns / 1000000000u), .tv_nsec = (long)(timeout_ns % 1000000000u)};
		int n = epoll_pwait2(epoll_fd, events, EVENTS_AT_ONCE, timeout_ns == UINT64_MAX ? NULL : &t, NULL);
		if (n >= 0 || errno != ENOSYS)
			return n;
		no_pwait2 = true;
	}
	uint64_t ms = timeout_ns / 1000000u + 1;
	return epoll_wait(epoll_fd, events, EVENTS_AT_ONCE, timeout_ns == UINT64_MAX ? -1 : ms > 60000 ? 60000 : (int)ms);
}

static int block(struct epoll_event *events) {
	uint64_t deadline = work->next();
	atomic_store(&blocked_until, deadline);
	/* From here on a new timer or new work kicks us; what came before must be seen now. */
	uint64_t again = work->next(), timeout = 0;
	if (again <= deadline)
		deadline = again;
	if (!work->has_work()) {
		uint64_t now = reef_now_ns();
		timeout = deadline == UINT64_MAX ? UINT64_MAX : deadline > now ? deadline - now : 0;
	}
	reef_epoch_leave();
	int n = wait_events(events, timeout);
	reef_epoch_enter();
	atomic_store(&blocked_until, 0);
	return n;
}

int reef_poller_poll(enum reef_poll_mode mode) {
	if (atomic_load_explicit(&held, memory_order_relaxed) || atomic_exchange(&held, true))
		return -1;
	struct epoll_event events[EVENTS_AT_ONCE];
	int happened = work->expire(reef_now_ns());
	int n = mode == REEF_POLL_BLOCK && happened == 0 ? block(events) : wait_events(events, 0);
	for (int i = 0; i < n; i++)
		handlers[events[i].data.u64 >> 32]((uint32_t)events[i].data.u64, events[i].events);
	if (n > 0)
		happened += n;
	if (mode == REEF_POLL_BLOCK)
		happened += work->expire(reef_now_ns());
	atomic_store(&held, false);
	return happened;
}

uint64_t reef_poller_blocked_until(void) {
	return atomic_load(&blocked_until);
}

bool reef_poller_is_held(void) {
	return atomic_load(&held);
}

void reef_poller_kick(void) {
	if (reef_sim_on)
		return;
	uint64_t one = 1;
	ssize_t written = write(wakeup_fd, &one, sizeof one);
	(void)written; /* EAGAIN: it is being kicked already */
}
