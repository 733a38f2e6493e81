/* Stopping the world: a flag that slices look at before they begin, and a look at each worker's mark that it is in one. */
#include "world.h"

#include <linux/futex.h>
#include <linux/membarrier.h>
#include <sched.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "clock.h"
#include "scheduler.h"
#include "service.h"
#include "worker_private.h"

_Atomic int reef_world_stopping;
bool reef_world_needs_fence;

void reef_world_init(void) {
	reef_world_needs_fence = syscall(SYS_membarrier, MEMBARRIER_CMD_REGISTER_PRIVATE_EXPEDITED, 0, 0) != 0;
}

void reef_world_wait(void) {
	while (atomic_load_explicit(&reef_world_stopping, memory_order_acquire))
		syscall(SYS_futex, &reef_world_stopping, FUTEX_WAIT_PRIVATE, 1, NULL, NULL, 0);
}

/* The worker that is still in a slice, or NULL. */
static struct reef_worker *somebody_inside(void) {
	for (int i = 0; i < reef_scheduler_all_workers(); i++) {
		struct reef_worker *worker = reef_scheduler_worker(i);
		if (i != reef_scheduler_own_index() && atomic_load_explicit(&worker->inside, memory_order_acquire))
			return worker;
	}
	return NULL;
}

bool reef_world_stop(uint64_t patience_ns, uint32_t *in_the_way) {
	int running = 0;
	*in_the_way = 0;
	if (!atomic_compare_exchange_strong(&reef_world_stopping, &running, 1))
		return false;
	if (!reef_world_needs_fence)
		syscall(SYS_membarrier, MEMBARRIER_CMD_PRIVATE_EXPEDITED, 0, 0);
	uint64_t deadline = reef_now_ns() + patience_ns;
	struct reef_worker *worker;
	while ((worker = somebody_inside()) != NULL) {
		if (reef_now_ns() >= deadline) {
			struct reef_service *service = atomic_load_explicit(&worker->running, memory_order_acquire);
			*in_the_way = service == NULL ? 0 : reef_service_handle(service);
			reef_world_resume();
			return false;
		}
		sched_yield();
	}
	return true;
}

void reef_world_resume(void) {
	atomic_store_explicit(&reef_world_stopping, 0, memory_order_release);
	syscall(SYS_futex, &reef_world_stopping, FUTEX_WAKE_PRIVATE, INT32_MAX, NULL, NULL, 0);
}
