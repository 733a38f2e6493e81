/* A queue of jobs and up to THREADS threads, started as they are needed, asleep when there is nothing to do. A job is
 * its own event. Threads are inside the engine only while they send one. They are not joined at the end of the process,
 * since getaddrinfo cannot be interrupted; `stopped` keeps them from touching the engine then. */
#include "socket/resolver.h"

#include <netdb.h>
#include <pthread.h>
#include <stdlib.h>
#include <string.h>

#include "core/alloc.h"
#include "core/epoch.h"
#include "core/log.h"
#include "core/service.h"

#define THREADS 4

struct job {
	struct reef_event event;
	struct job *next;
	uint32_t owner;
	int id, port; /* of an open; 0: for reef_resolve */
	reef_resolved done;
	void *ud;
	struct reef_addresses *addresses;
	const char *error;
	char host[256];
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static pthread_cond_t work = PTHREAD_COND_INITIALIZER;
static struct job *first, **last = &first;
static int threads, idle;
static bool stopped;

struct reef_addresses *reef_resolver_now(const char *host, int port, int socktype, const char **error) {
	struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = socktype};
	struct addrinfo *all = NULL;
	int status = getaddrinfo(host, NULL, &hints, &all);
	if (status != 0) {
		*error = gai_strerror(status);
		return NULL;
	}
	size_t n = 0;
	for (struct addrinfo *a = all; a; a = a->ai_next)
		n++;
	struct reef_addresses *addresses = reef_calloc(1, sizeof *addresses + n * sizeof addresses->list[0]);
	for (struct addrinfo *a = all; a; a = a->ai_next) {
		struct reef_address *address = &addresses->list[addresses->n];
		if (a->ai_family == AF_INET)
			memcpy(&address->v4, a->ai_addr, sizeof address->v4);
		else if (a->ai_family == AF_INET6)
			memcpy(&address->v6, a->ai_addr, sizeof address->v6);
		else
			continue;
		address->size = a->ai_addrlen;
		if (a->ai_family == AF_INET)
			address->v4.sin_port = htons((uint16_t)port);
		else
			address->v6.sin6_port = htons((uint16_t)port);
		addresses->n++;
	}
	freeaddrinfo(all);
	return addresses;
}

static void job_delete(struct job *job) {
	reef_free(job->addresses);
	reef_free(job);
}

static void deliver(struct reef_service *service, struct reef_event *event) {
	(void)service;
	struct job *job = (struct job *)event;
	if (job->id != 0) {
		reef_slot_resolved(job->id, job->addresses, job->error);
		job->addresses = NULL;
		job_delete(job);
		return;
	}
	size_t n = job->addresses ? job->addresses->n : 0;
	char(*texts)[REEF_ADDRESS_SIZE] = reef_malloc((n + 1) * sizeof *texts);
	const char **ips = reef_malloc((n + 1) * sizeof *ips);
	for (size_t i = 0; i < n; i++) {
		int port;
		reef_address_split(&job->addresses->list[i], texts[i], &port);
		ips[i] = texts[i];
	}
	job->done(job->ud, n, ips, job->error);
	reef_free(ips);
	reef_free(texts);
	job_delete(job);
}

static void drop(struct reef_event *event) {
	job_delete((struct job *)event);
}

static void *run(void *unused) {
	(void)unused;
	pthread_mutex_lock(&lock);
	while (!stopped) {
		if (first == NULL) {
			idle++;
			pthread_cond_wait(&work, &lock);
			idle--;
			continue;
		}
		struct job *job = first;
		first = job->next;
		if (first == NULL)
			last = &first;
		pthread_mutex_unlock(&lock);
		job->addresses = reef_resolver_now(job->host, job->port, SOCK_STREAM, &job->error);
		pthread_mutex_lock(&lock);
		if (stopped) {
			job_delete(job);
			break;
		}
		reef_epoch_enter();
		if (!reef_send_event(job->owner, &job->event))
			job_delete(job);
		reef_epoch_leave();
	}
	threads--;
	pthread_mutex_unlock(&lock);
	return NULL;
}

/* Locked. */
static void start_thread(void) {
	pthread_attr_t attributes;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	pthread_t thread;
	if (pthread_create(&thread, &attributes, run, NULL) == 0)
		threads++;
	else if (threads == 0)
		reef_log(0, "error: socket: no thread to resolve names on");
	pthread_attr_destroy(&attributes);
}

static void submit(struct job *job, const char *host) {
	job->event = (struct reef_event){
			.message = {.flags = REEF_MESSAGE_EVENT, .type = REEF_PTYPE_SOCKET}, .deliver = deliver, .drop = drop};
	strncpy(job->host, host, sizeof job->host - 1);
	pthread_mutex_lock(&lock);
	*last = job;
	last = &job->next;
	if (idle > 0)
		pthread_cond_signal(&work);
	else if (threads < THREADS)
		start_thread();
	pthread_mutex_unlock(&lock);
}

void reef_resolver_open(uint32_t owner, int id, const char *host, int port) {
	struct job *job = reef_calloc(1, sizeof *job);
	job->owner = owner;
	job->id = id;
	job->port = port;
	submit(job, host);
}

void reef_resolve(struct reef_service *service, const char *host, reef_resolved done, void *ud) {
	struct job *job = reef_calloc(1, sizeof *job);
	job->owner = reef_service_handle(service);
	job->done = done;
	job->ud = ud;
	submit(job, host);
}

void reef_resolver_stop(void) {
	pthread_mutex_lock(&lock);
	stopped = true;
	while (first) {
		struct job *job = first;
		first = job->next;
		job_delete(job);
	}
	last = &first;
	pthread_cond_broadcast(&work);
	pthread_mutex_unlock(&lock);
}
