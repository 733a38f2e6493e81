/* The memory of a VM: counted, limited and reported. Owned by the host; its thread only, but for what says otherwise. */
#include "allocator.h"
#include "core/handle.h"
#include "core/service.h"

#include <string.h>

#include "core/alloc.h"
#include "core/log.h"
#include "host_private.h"

#include "lgc.h"
#include "lstate.h"

static void report_memory(struct reef_host *host, size_t memory) {
	while (memory > host->memory_report)
		host->memory_report *= 2;
	reef_log_at(REEF_LOG_WARN, host->handle, "Memory warning %.2f M", (double)memory / (1 << 20));
}

/* The collector may run a finalizer of the user's wherever something is allocated. */
static bool in_finalizer(const struct reef_host *host) {
	return host->L && G(host->L)->gcstp & GCSTPGC;
}

void *reef_allocator_run(void *ud, void *p, size_t old_size, size_t new_size) {
	struct reef_host *host = ud;
	if (!p)
		old_size = 0;
	size_t memory = host->memory + new_size - old_size;
	if (new_size == 0) {
		if (p) {
			__atomic_store_n(&host->memory, memory, __ATOMIC_RELAXED);
			reef_free_sized(p, old_size);
		}
		return NULL;
	}
	if (host->memory_limit && memory > host->memory_limit && new_size > old_size &&
		(!host->no_limit || in_finalizer(host)))
		return NULL;
	void *q = p ? reef_try_realloc(p, new_size) : reef_try_malloc(new_size);
	if (!q)
		return NULL;
	__atomic_store_n(&host->memory, memory, __ATOMIC_RELAXED);
	if (memory > host->memory_report)
		report_memory(host, memory);
	return q;
}

size_t reef_allocator_bytes(uint32_t handle) {
	const struct reef_service *service = reef_handle_find(handle);
	if (!service || strcmp(reef_service_module(service)->name, "snlua") != 0)
		return 0;
	const struct reef_host *host = reef_service_instance(service);
	return host ? __atomic_load_n(&host->memory, __ATOMIC_RELAXED) : 0;
}
