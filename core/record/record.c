/* See record.h. */
#include "record.h"

#include <pthread.h>
#include <stddef.h>

#include "core/alloc.h"
#include "core/env.h"
#include "core/host/host.h"
#include "core/log.h"
#include "core/service.h"
#include "files.h"
#include "head.h"
#include "recording.h"
#include "recording_seam.h"

#define DEFAULT_LIMIT 64 /* MiB of a record */

static void stopped(struct reef_record_writer *writer, const char *why) {
	reef_recording_stop((struct reef_recording *)((char *)writer - offsetof(struct reef_recording, writer)), why);
}

/* Makes its file; false: there is none. */
static bool open_file(struct reef_recording *r, const char *arguments) {
	static pthread_mutex_t opening = PTHREAD_MUTEX_INITIALIZER;
	long limit = reef_env_int("record_limit", DEFAULT_LIMIT);
	bool ring;
	/* Until a file is locked it might be taken for one that nobody writes to. */
	pthread_mutex_lock(&opening);
	bool wanted = reef_record_files_wants(arguments, &r->state, &ring);
	int64_t ring_ns = ring ? (int64_t)reef_env_int("record_ring", 0) * 1000000000 : 0;
	const char *why =
			wanted ? reef_record_writer_open(&r->writer, r->state.path, (size_t)(limit > 1 ? limit : 2) << 20, ring_ns)
				   : NULL;
	pthread_mutex_unlock(&opening);
	if (why)
		reef_log_at(REEF_LOG_WARN, r->state.handle, "cannot record %s to %s: %s", r->state.name, r->state.path, why);
	return wanted && why == NULL;
}

struct reef_host_seam *reef_record_make(struct reef_host *host, const char *arguments) {
	if (!reef_seam_is_on())
		return NULL;
	struct reef_recording *r = reef_calloc(1, sizeof *r);
	r->state.handle = reef_service_handle(reef_host_service(host));
	if (!open_file(r, arguments)) {
		reef_free(r);
		return NULL;
	}
	r->writer.stopped = stopped;
	reef_record_put_head(&r->writer, arguments, r->state.handle);
	reef_recording_seam_begin(r, host);
	reef_recording_add(r);
	reef_log_at(REEF_LOG_INFO, r->state.handle, "is recorded to %s", r->state.path);
	return &r->tape.host;
}
