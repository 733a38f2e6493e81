/* See fd_wait.h. What is under way is a job with two holders: the waiter, and whoever carries it (the table of interests,
 * then the event). Whoever lets go last frees it, unless the waiter spares it for its next wait. A waiter has one timer, which is
 * moved only when a wait would end before it. */
#include "fd_wait.h"

#include <errno.h>
#include <poll.h>
#include <stdatomic.h>

#include "core/alloc.h"
#include "core/clock.h"
#include "core/host/host.h"
#include "core/send.h"
#include "core/service.h"

struct reef_fd_wait_job {
	struct reef_event event;
	struct reef_fd_waiter *waiter; /* NULL: given up. Owner's slice only */
	atomic_int holders;
	uint32_t owner;
	int fd, events, result;
};

static void job_release(struct reef_fd_wait_job *job) {
	if (atomic_fetch_sub(&job->holders, 1) == 1)
		reef_free(job);
}

static void job_deliver(struct reef_service *service, struct reef_event *event) {
	(void)service;
	struct reef_fd_wait_job *job = (struct reef_fd_wait_job *)event;
	struct reef_fd_waiter *waiter = job->waiter;
	int result = job->result;
	if (waiter == NULL) {
		job_release(job);
		return;
	}
	waiter->job = NULL;
	waiter->spare = job; /* nobody else holds it now */
	waiter->done(waiter, result);
}

static void job_drop(struct reef_event *event) {
	job_release((struct reef_fd_wait_job *)event);
}

static void fd_wait_job_finish(struct reef_fd_wait_job *job, int result) {
	job->result = result;
	if (!reef_send_event(job->owner, &job->event))
		job_release(job);
}

static void job_ready(uint64_t ud, int fd, int events) {
	(void)fd;
	fd_wait_job_finish((struct reef_fd_wait_job *)(uintptr_t)ud, events ? events : -ECANCELED);
}

/* Parts waiter and job. */
static void waiter_detach(struct reef_fd_waiter *waiter) {
	struct reef_fd_wait_job *job = waiter->job;
	waiter->job = NULL;
	if (job == NULL)
		return;
	job->waiter = NULL;
	if (reef_fd_unwatch(job->fd, job_ready, (uint64_t)(uintptr_t)job))
		job_release(job);
	job_release(job);
}

/* What is ready counts, however late it is seen. */
static int look_at_fd(const struct reef_fd_wait_job *job) {
	struct pollfd state = {.fd = job->fd};
	state.events = (short)((job->events & REEF_FD_READ ? POLLIN : 0) | (job->events & REEF_FD_WRITE ? POLLOUT : 0));
	if (poll(&state, 1, 0) <= 0 || (state.revents & POLLNVAL))
		return 0;
	if (state.revents & (POLLERR | POLLHUP))
		return job->events;
	return (state.revents & POLLIN ? REEF_FD_READ : 0) | (state.revents & POLLOUT ? REEF_FD_WRITE : 0);
}

static void waiter_timer(struct reef_host *host, void *ud) {
	struct reef_fd_waiter *waiter = ud;
	waiter->timer = 0;
	if (waiter->job == NULL)
		return;
	if (reef_now_ns() < waiter->deadline_ns) {
		waiter->timer_ns = waiter->deadline_ns;
		waiter->timer = reef_host_timer_add(host, waiter->timer_ns, waiter_timer, waiter);
		return;
	}
	int result = look_at_fd(waiter->job);
	waiter_detach(waiter);
	waiter->done(waiter, result);
}

static void waiter_set_timer(struct reef_fd_waiter *waiter, uint64_t deadline_ns) {
	waiter->deadline_ns = deadline_ns;
	if (waiter->timer != 0 && waiter->timer_ns <= deadline_ns)
		return;
	if (waiter->timer != 0)
		reef_host_timer_cancel(waiter->host, waiter->timer);
	waiter->timer_ns = deadline_ns;
	waiter->timer = reef_host_timer_add(waiter->host, deadline_ns, waiter_timer, waiter);
}

static struct reef_fd_wait_job *waiter_take_job(struct reef_fd_waiter *waiter) {
	struct reef_fd_wait_job *job = waiter->spare;
	waiter->spare = NULL;
	if (job == NULL)
		job = reef_malloc(sizeof *job);
	*job = (struct reef_fd_wait_job){
			.event = {.message = {.flags = REEF_MESSAGE_EVENT, .type = REEF_PTYPE_SOCKET},
					  .deliver = job_deliver,
					  .drop = job_drop},
			.waiter = waiter,
			.owner = reef_service_handle(reef_host_service(waiter->host)),
	};
	atomic_init(&job->holders, 2);
	return job;
}

static int waiter_wait(struct reef_fd_waiter *waiter, int fd, int events, uint64_t deadline_ns, const void *keeper) {
	if (waiter->job)
		return EBUSY;
	struct reef_fd_wait_job *job = waiter_take_job(waiter);
	job->fd = fd;
	job->events = events;
	int error = reef_fd_watch(fd, events, job_ready, (uint64_t)(uintptr_t)job, keeper);
	if (error == EPERM)
		fd_wait_job_finish(job, events);
	else if (error != 0) {
		reef_free(job);
		return error;
	}
	waiter->job = job;
	waiter_set_timer(waiter, deadline_ns);
	return 0;
}

int reef_fd_wait(struct reef_fd_waiter *waiter, int fd, int events, uint64_t deadline_ns) {
	return waiter_wait(waiter, fd, events, deadline_ns, NULL);
}

int reef_fd_wait_more(struct reef_fd_waiter *waiter, int fd, uint64_t deadline_ns) {
	waiter->kept = fd + 1;
	return waiter_wait(waiter, fd, REEF_FD_READ, deadline_ns, waiter);
}

void reef_fd_wait_end(struct reef_fd_waiter *waiter) {
	waiter_detach(waiter);
	if (waiter->kept)
		reef_fd_let_go(waiter->kept - 1, waiter);
	waiter->kept = 0;
	reef_free(waiter->spare);
	waiter->spare = NULL;
	if (waiter->timer != 0)
		reef_host_timer_cancel(waiter->host, waiter->timer);
	waiter->timer = 0;
}
