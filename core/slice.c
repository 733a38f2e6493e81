/* The slice that the calling thread is in: see slice.h. */
#include "slice.h"

#include "alloc.h"
#include "seam.h"
#include "worker_private.h"

static _Thread_local struct reef_worker *own_worker;
static _Thread_local struct reef_service *current_service;
static _Thread_local char *scratch;

bool reef_slice_defer(struct reef_deferred *deferred) {
	struct reef_seam *seam = reef_seam_here();
	if (seam) {
		seam->defer(seam, deferred);
		return true;
	}
	struct reef_worker *worker = own_worker;
	if (worker == NULL || atomic_load_explicit(&worker->running, memory_order_relaxed) == NULL)
		return false;
	deferred->next = NULL;
	*worker->deferred_tail = deferred;
	worker->deferred_tail = &deferred->next;
	return true;
}

char *reef_slice_scratch(void) {
	if (scratch == NULL)
		scratch = reef_malloc(REEF_SLICE_SCRATCH_SIZE);
	return scratch;
}

struct reef_service *reef_slice_service(void) {
	return current_service;
}

struct reef_service *reef_slice_set_service(struct reef_service *service) {
	struct reef_service *before = current_service;
	current_service = service;
	return before;
}

struct reef_worker *reef_slice_worker(void) {
	return own_worker;
}

void reef_slice_set_worker(struct reef_worker *worker) {
	own_worker = worker;
	if (worker == NULL) {
		reef_free(scratch);
		scratch = NULL;
	}
}
