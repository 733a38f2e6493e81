/* See fd.h. A table of interests by descriptor number, under one lock. Registrations are one-shot, or kept by somebody for his
 * own interests, and never withdrawn: to take one out by its number could hit a stranger who has that number by now. One that is
 * left over fires with an old generation, and is ignored; the kernel drops it when the descriptor is closed. */
#include "fd.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/epoll.h>

#include "core/alloc.h"
#include "core/poller.h"

/* An event carries the number and as much of the generation as is left. */
#define NUMBER_BITS 20
#define TAG(fd, generation) ((uint32_t)(fd) | (generation) << NUMBER_BITS)

struct interest {
	reef_fd_ready ready; /* NULL: none */
	uint64_t ud;
	const void *keeper; /* whose registration stays; NULL: it is one-shot */
	uint32_t generation;
	int events, come; /* come: what a kept one has told while nobody asked */
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct interest *table;
static int room;

/* Locked. */
static bool table_reach(int fd) {
	if (fd < room)
		return true;
	int wanted = fd < 64 ? 64 : fd * 2;
	struct interest *larger = reef_try_realloc(table, (size_t)wanted * sizeof *table);
	if (larger == NULL)
		return false;
	memset(larger + room, 0, (size_t)(wanted - room) * sizeof *larger);
	table = larger;
	room = wanted;
	return true;
}

/* Locked. Has the kernel tell of these events under the number's generation, once unless somebody keeps it; 0 or an errno. */
static int interest_register(int fd, bool known) {
	const struct interest *interest = &table[fd];
	int events = interest->events;
	uint32_t tag = TAG(fd, interest->generation), wanted = interest->keeper ? 0 : EPOLLONESHOT;
	wanted |= (events & REEF_FD_READ ? EPOLLIN | EPOLLRDHUP : 0u) | (events & REEF_FD_WRITE ? EPOLLOUT : 0u);
	/* Who waited for a number mostly waits for it again: then it is there already. */
	int error = known ? reef_poller_modify(fd, REEF_POLL_FD, tag, wanted) : EEXIST;
	if (error != 0)
		error = reef_poller_add(fd, REEF_POLL_FD, tag, wanted);
	if (error == EEXIST)
		error = reef_poller_modify(fd, REEF_POLL_FD, tag, wanted);
	return error;
}

int reef_fd_watch(int fd, int events, reef_fd_ready ready, uint64_t ud, const void *keeper) {
	if (fd < 0 || fd >= 1 << NUMBER_BITS)
		return EBADF;
	pthread_mutex_lock(&lock);
	if (!table_reach(fd)) {
		pthread_mutex_unlock(&lock);
		return ENOMEM;
	}
	struct interest lost = table[fd];
	int error = 0, come = 0;
	if (keeper && lost.keeper == keeper && lost.events == events) {
		come = lost.come;
		table[fd].come = 0;
		table[fd].ready = come ? NULL : ready;
		table[fd].ud = ud;
	} else {
		table[fd] = (struct interest){
				.ready = ready, .ud = ud, .keeper = keeper, .generation = lost.generation + 1, .events = events};
		error = interest_register(fd, lost.events != 0);
		if (error != 0)
			table[fd].ready = NULL, table[fd].keeper = NULL;
	}
	pthread_mutex_unlock(&lock);
	if (lost.ready && (lost.ready != ready || lost.ud != ud))
		lost.ready(lost.ud, fd, 0);
	if (come)
		ready(ud, fd, come);
	return error;
}

void reef_fd_let_go(int fd, const void *keeper) {
	pthread_mutex_lock(&lock);
	if (fd >= 0 && fd < room && keeper && table[fd].keeper == keeper) {
		table[fd].keeper = NULL;
		table[fd].come = 0;
		/* What is registered says nothing any more. */
		table[fd].generation++;
	}
	pthread_mutex_unlock(&lock);
}

bool reef_fd_unwatch(int fd, reef_fd_ready ready, uint64_t ud) {
	pthread_mutex_lock(&lock);
	bool found = fd >= 0 && fd < room && table[fd].ready == ready && table[fd].ud == ud;
	if (found)
		table[fd].ready = NULL;
	pthread_mutex_unlock(&lock);
	return found;
}

static void interest_due(uint32_t tag, uint32_t events) {
	int fd = (int)(tag & ((1u << NUMBER_BITS) - 1));
	int ready = (events & (EPOLLIN | EPOLLRDHUP) ? REEF_FD_READ : 0) | (events & EPOLLOUT ? REEF_FD_WRITE : 0);
	if (events & (EPOLLERR | EPOLLHUP))
		ready = REEF_FD_READ | REEF_FD_WRITE;
	pthread_mutex_lock(&lock);
	struct interest interest = {.ready = NULL};
	if (fd < room && TAG(fd, table[fd].generation) == tag) {
		interest = table[fd];
		table[fd].ready = NULL;
		if (interest.ready == NULL && interest.keeper)
			table[fd].come |= ready & interest.events;
	}
	pthread_mutex_unlock(&lock);
	if (interest.ready)
		interest.ready(interest.ud, fd, ready & interest.events);
}

void reef_fd_setup(void) {
	reef_poller_set_handler(REEF_POLL_FD, interest_due);
}
