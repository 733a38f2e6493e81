/* Last wills: requests that a caller leaves with the pool, to be sent if it ends without having taken them back. See
 * will.h. */
#include "will.h"

#include <string.h>

#include "core/alloc.h"
#include "queue.h"

static struct reef_pool_node **will_bucket_of(const struct reef_pool *pool, uint32_t source, int32_t number) {
	uint64_t key = (uint64_t)source << 32 | (uint32_t)number;
	return &pool->wills[((key * UINT64_C(0x9E3779B97F4A7C15)) >> 32) & (pool->wills_size - 1)];
}

static void will_grow(struct reef_pool *pool) {
	size_t old = pool->wills_size;
	struct reef_pool_node **before = pool->wills;
	pool->wills_size = old ? old * 2 : 64;
	pool->wills = reef_calloc(pool->wills_size, sizeof(struct reef_pool_node *));
	for (size_t i = 0; i < old; i++) {
		for (struct reef_pool_node *node = before[i], *next; node; node = next) {
			next = node->next;
			struct reef_pool_node **bucket = will_bucket_of(pool, node->source, node->session);
			node->next = *bucket;
			*bucket = node;
		}
	}
	reef_free(before);
}

void reef_pool_leave_will(struct reef_pool *pool, uint32_t source, const struct reef_pool_request *request,
						  const char *bytes, size_t n) {
	char *copy = reef_try_malloc(n ? n : 1);
	if (copy == NULL)
		return;
	memcpy(copy, bytes, n);
	if (pool->wills_count >= pool->wills_size)
		will_grow(pool);
	struct reef_pool_node *node = reef_pool_node_new(pool), **bucket = will_bucket_of(pool, source, request->session);
	node->source = source;
	node->session = request->session;
	node->expect = request->expect;
	node->bytes = copy;
	node->size = n;
	node->next = *bucket;
	*bucket = node;
	pool->wills_count++;
}

void reef_pool_revoke_will(struct reef_pool *pool, uint32_t source, int32_t number) {
	if (pool->wills_count == 0)
		return;
	for (struct reef_pool_node **link = will_bucket_of(pool, source, number); *link; link = &(*link)->next) {
		struct reef_pool_node *node = *link;
		if (node->source == source && node->session == number) {
			*link = node->next;
			pool->wills_count--;
			reef_pool_node_free(pool, node);
			return;
		}
	}
}

void reef_pool_execute_wills(struct reef_pool *pool, uint32_t source) {
	bool any = false;
	for (size_t i = 0; i < pool->wills_size && pool->wills_count > 0; i++) {
		for (struct reef_pool_node **link = &pool->wills[i]; *link;) {
			struct reef_pool_node *node = *link;
			if (node->source != source) {
				link = &node->next;
				continue;
			}
			*link = node->next;
			pool->wills_count--;
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
	}
	if (any) {
		reef_pool_advance(pool);
		reef_pool_notify(pool, REEF_POOL_WANT_SHARED);
	}
}

void reef_pool_wills_fini(struct reef_pool *pool) {
	for (size_t i = 0; i < pool->wills_size; i++) {
		while (pool->wills[i]) {
			struct reef_pool_node *node = pool->wills[i];
			pool->wills[i] = node->next;
			reef_pool_node_free(pool, node);
		}
	}
	reef_free(pool->wills);
}
