/* Last wills: requests that a caller leaves with the pool, to be sent if it ends without having taken them back. See
 * will.h. */
#include "will.h"

#include <string.h>

#include "core/alloc.h"
#include "queue.h"

static const void *key_of(uint32_t source, int32_t number) {
	return (const void *)((uintptr_t)source << 32 | (uint32_t)number);
}

void reef_pool_leave_will(struct reef_pool *pool, uint32_t source, const struct reef_pool_request *request,
						  const char *bytes, size_t n) {
	char *copy = reef_try_malloc(n ? n : 1);
	if (copy == NULL)
		return;
	memcpy(copy, bytes, n);
	reef_pool_revoke_will(pool, source, request->session);
	struct reef_pool_node *node = reef_pool_node_new(pool);
	node->source = source;
	node->session = request->session;
	node->expect = request->expect;
	node->bytes = copy;
	node->size = n;
	if (!reef_ptrmap_put(&pool->wills, key_of(source, request->session), node))
		reef_pool_node_free(pool, node);
}

void reef_pool_revoke_will(struct reef_pool *pool, uint32_t source, int32_t number) {
	struct reef_pool_node *node = reef_ptrmap_remove(&pool->wills, key_of(source, number));
	if (node)
		reef_pool_node_free(pool, node);
}

void reef_pool_execute_wills(struct reef_pool *pool, uint32_t source) {
	bool any = false;
	for (size_t i = 0; i < pool->wills.capacity;) {
		struct reef_pool_node *node = pool->wills.slots[i].value;
		if (node == NULL || node->source != source) {
			i++;
			continue;
		}
		/* What follows moves up to here. */
		reef_ptrmap_remove(&pool->wills, pool->wills.slots[i].key);
		/* Nobody waits for it. */
		node->source = 0;
		node->kind = REEF_POOL_EXECUTE;
		node->since_ns = reef_pool_now(pool);
		node->queue_deadline_ns = node->deadline_ns = node->since_ns + pool->options.queue_ns;
		if (reef_pool_enqueue(pool, node))
			any = true;
		else
			reef_pool_node_free(pool, node);
	}
	if (any) {
		reef_pool_advance(pool);
		reef_pool_notify(pool, REEF_POOL_WANT_SHARED);
	}
}

void reef_pool_wills_fini(struct reef_pool *pool) {
	for (size_t i = 0; i < pool->wills.capacity; i++)
		if (pool->wills.slots[i].value)
			reef_pool_node_free(pool, pool->wills.slots[i].value);
	reef_ptrmap_fini(&pool->wills);
}
