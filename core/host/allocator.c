/* The memory of a VM: counted, limited and reported. Owned by the host; its thread only, but for what says otherwise. */
#include "allocator.h"
#include "core/handle.h"
#include "core/service.h"

#include <string.h>

#include "copy_blocks.h"
#include "core/alloc.h"
#include "core/log.h"
#include "core/seam.h"
#include "host_private.h"

#include "lgc.h"
#include "lstate.h"

static void report_memory(struct reef_host *host, size_t memory) {
	while (memory > host->memory_report)
		host->memory_report *= 2;
	struct reef_seam *seam = reef_seam_leave();
	reef_log_at(REEF_LOG_WARN, host->handle, "Memory warning %.2f M", (double)memory / (1 << 20));
	reef_seam_return(seam);
}

/* The collector may run a finalizer of the user's wherever something is allocated. */
static bool in_finalizer(const struct reef_host *host) {
	return host->L && G(host->L)->gcstp & GCSTPGC;
}

/* Does it lie in the block of a VM that is a copy? That goes as a whole, at the end. */
static inline bool in_block(const struct reef_host *host, const void *p) {
	return (uintptr_t)p - ((uintptr_t)host->L - LUA_EXTRASPACE) < reef_host_block_size(host);
}

static void *change_in_block(void *p, size_t old_size, size_t new_size) {
	if (new_size <= old_size) {
		reef_copy_poison((char *)p + new_size, old_size - new_size);
		return p;
	}
	void *q = reef_try_malloc(new_size);
	if (q) {
		memcpy(q, p, old_size);
		reef_copy_poison(p, old_size);
	}
	return q;
}

/* What the image has left of the block is as good as any memory, once. */
static void *take_rest(struct reef_host *host, size_t size) {
	size_t left = host->block_left * (size_t)REEF_BLOCK_UNIT;
	if (size > left)
		return NULL;
	host->block_left = (uint8_t)(host->block_left - (size + REEF_BLOCK_UNIT - 1) / REEF_BLOCK_UNIT);
	return reef_host_block(host) + reef_host_block_size(host) - left;
}

void *reef_allocator_run(void *ud, void *p, size_t old_size, size_t new_size) {
	struct reef_host *host = ud;
	if (!p)
		old_size = 0;
	size_t memory = host->memory + new_size - old_size;
	if (new_size == 0) {
		if (p) {
			__atomic_store_n(&host->memory, memory, __ATOMIC_RELAXED);
			if (in_block(host, p))
				reef_copy_poison(p, old_size);
			else
				reef_free_sized(p, old_size);
		}
		return NULL;
	}
	if (host->memory_limit && memory > host->memory_limit && new_size > old_size &&
		(!host->no_limit || in_finalizer(host)))
		return NULL;
	void *q = NULL;
	if (!p)
		q = host->block_left > 0 && (q = take_rest(host, new_size)) ? q : reef_try_malloc(new_size);
	else if (in_block(host, p))
		q = change_in_block(p, old_size, new_size);
	else
		q = reef_try_realloc(p, new_size);
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
