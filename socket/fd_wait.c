/* The upper half of fd.h: an interest that ends in an event for a service, or at its deadline. What is under way is a
 * job with two holders: the waiter, and whoever carries it (the table of interests, then the event). Whoever lets go
 * last frees it. A waiter has one timer, which is moved only when a wait would end before it. */
#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/host/host.h"
#include "core/send.h"
#include "core/service.h"
#include "socket/fd.h"

struct reef_fd_job {
	struct reef_event event;
	struct reef_fd_waiter *waiter; /* NULL: given up. Owner's slice only */
	atomic_int holders;
	uint32_t owner;
	int fd, events, result;
};

static void let_go(struct reef_fd_job *job) {
	if (atomic_fetch_sub(&job->holders, 1) == 1)
		reef_free(job);
}

static void deliver(struct reef_service *service, struct reef_event *event) {
	(void)service;
	struct reef_fd_job *job = (struct reef_fd_job *)event;
	struct reef_fd_waiter *waiter = job->waiter;
	int result = job->result;
	let_go(job);
	if (waiter == NULL)
		return;
	waiter->job = NULL;
	let_go(job);
	waiter->done(waiter, result);
}

static void drop(struct reef_event *event) {
	let_go((struct reef_fd_job *)event);
}

static void finish(struct reef_fd_job *job, int result) {
	job->result = result;
	if (!reef_send_event(job->owner, &job->event))
		let_go(job);
}

static void on_ready(uint64_t ud, int fd, int events) {
	(void)fd;
	finish((struct reef_fd_job *)(uintptr_t)ud, events ? events : -ECANCELED);
}

/* Parts waiter and job. */
static void detach(struct reef_fd_waiter *waiter) {
	struct reef_fd_job *job = waiter->job;
	waiter->job = NULL;
	if (job == NULL)
		return;
	job->waiter = NULL;
	if (reef_fd_unwatch(job->fd, on_ready, (uint64_t)(uintptr_t)job))
		let_go(job);
	let_go(job);
}

/* What is ready counts, however late it is seen. */
static int look(const struct reef_fd_job *job) {
	struct pollfd state = {.fd = job->fd};
	state.events = (short)((job->events & REEF_FD_READ ? POLLIN : 0) | (job->events & REEF_FD_WRITE ? POLLOUT : 0));
	if (poll(&state, 1, 0) <= 0 || (state.revents & POLLNVAL))
		return 0;
	if (state.revents & (POLLERR | POLLHUP))
		return job->events;
	return (state.revents & POLLIN ? REEF_FD_READ : 0) | (state.revents & POLLOUT ? REEF_FD_WRITE : 0);
}

static void on_timer(struct reef_host *host, void *ud) {
	struct reef_fd_waiter *waiter = ud;
	waiter->timer = 0;
	if (waiter->job == NULL)
		return;
	if (reef_now_ns() < waiter->deadline_ns) {
		waiter->timer_ns = waiter->deadline_ns;
		waiter->timer = reef_host_timer_add(host, waiter->timer_ns, on_timer, waiter);
		return;
	}
	int result = look(waiter->job);
	detach(waiter);
	waiter->done(waiter, result);
}

static void set_timer(struct reef_fd_waiter *waiter, uint64_t deadline_ns) {
	waiter->deadline_ns = deadline_ns;
	if (waiter->timer != 0 && waiter->timer_ns <= deadline_ns)
		return;
	if (waiter->timer != 0)
		reef_host_timer_cancel(waiter->host, waiter->timer);
	waiter->timer_ns = deadline_ns;
	waiter->timer = reef_host_timer_add(waiter->host, deadline_ns, on_timer, waiter);
}

int reef_fd_wait(struct reef_fd_waiter *waiter, int fd, int events, uint64_t deadline_ns) {
	if (waiter->job)
		return EBUSY;
	struct reef_fd_job *job = reef_calloc(1, sizeof *job);
	job->event = (struct reef_event){
			.message = {.flags = REEF_MESSAGE_EVENT, .type = REEF_PTYPE_SOCKET}, .deliver = deliver, .drop = drop};
	job->waiter = waiter;
	atomic_init(&job->holders, 2);
	job->owner = reef_service_handle(reef_host_service(waiter->host));
	job->fd = fd;
	job->events = events;
	int error = reef_fd_watch(fd, events, on_ready, (uint64_t)(uintptr_t)job);
	if (error == EPERM)
		finish(job, events);
	else if (error != 0) {
		reef_free(job);
		return error;
	}
	waiter->job = job;
	set_timer(waiter, deadline_ns);
	return 0;
}

void reef_fd_cancel(struct reef_fd_waiter *waiter) {
	detach(waiter);
}

void reef_fd_end(struct reef_fd_waiter *waiter) {
	detach(waiter);
	if (waiter->timer != 0)
		reef_host_timer_cancel(waiter->host, waiter->timer);
	waiter->timer = 0;
}
