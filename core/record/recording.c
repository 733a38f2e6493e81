/* See recording.h. */
#include "recording.h"

#include <pthread.h>
#include <stdio.h>
#include <unistd.h>

#include "core/log.h"

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_recording *at_work;

void reef_recording_add(struct reef_recording *r) {
	pthread_mutex_lock(&lock);
	r->next = at_work;
	at_work = r;
	pthread_mutex_unlock(&lock);
}

void reef_recording_stop(struct reef_recording *r, const char *why) {
	r->writer.full = true;
	pthread_mutex_lock(&lock);
	snprintf(r->state.stopped, sizeof r->state.stopped, "%s", why);
	pthread_mutex_unlock(&lock);
	r->tape.host.seam.off++;
	reef_log_at(REEF_LOG_WARN, r->state.handle, "the record %s ends here: %s", r->state.path, why);
	r->tape.host.seam.off--;
}

void reef_recording_end(struct reef_recording *r) {
	pthread_mutex_lock(&lock);
	struct reef_recording **link = &at_work;
	while (*link != r)
		link = &(*link)->next;
	*link = r->next;
	pthread_mutex_unlock(&lock);
	if (!r->writer.full)
		reef_record_writer_stop(&r->writer, "the service has ended");
	reef_record_writer_close(&r->writer);
	/* A ring is for services that do not end. */
	if (r->writer.ring_ns > 0)
		unlink(r->state.path);
}

size_t reef_recording_states(struct reef_record_state *states, size_t n) {
	size_t count = 0;
	pthread_mutex_lock(&lock);
	for (struct reef_recording *r = at_work; r; r = r->next, count++) {
		if (count >= n)
			continue;
		states[count] = r->state;
		states[count].bytes = __atomic_load_n(&r->writer.at, __ATOMIC_RELAXED);
	}
	pthread_mutex_unlock(&lock);
	return count;
}
