/* Who waits for room: see queue.h. */
#include "queue.h"

#include "connection.h"
#include "core/alloc.h"
#include "lane.h"

struct reef_pool_caller {
	struct reef_pool_caller *bucket_next;
	struct reef_pool_caller *turn_next;
	uint32_t source;
	struct reef_pool_list waiting;
};

static size_t caller_bucket(uint32_t source, size_t size) {
	return (size_t)(source * UINT64_C(0x9E3779B97F4A7C15) >> 32) & (size - 1);
}

static struct reef_pool_caller **find_caller(const struct reef_pool *pool, uint32_t source) {
	struct reef_pool_caller **link = &pool->callers[caller_bucket(source, pool->callers_size)];
	while (*link && (*link)->source != source)
		link = &(*link)->bucket_next;
	return link;
}

static void grow_callers(struct reef_pool *pool) {
	size_t old = pool->callers_size;
	struct reef_pool_caller **before = pool->callers;
	pool->callers_size = old ? old * 2 : 64;
	pool->callers = reef_calloc(pool->callers_size, sizeof(struct reef_pool_caller *));
	for (size_t i = 0; i < old; i++) {
		for (struct reef_pool_caller *caller = before[i], *next; caller; caller = next) {
			next = caller->bucket_next;
			struct reef_pool_caller **bucket = &pool->callers[caller_bucket(caller->source, pool->callers_size)];
			caller->bucket_next = *bucket;
			*bucket = caller;
		}
	}
	reef_free(before);
}

static void push_turn(struct reef_pool *pool, struct reef_pool_caller *caller) {
	caller->turn_next = NULL;
	*pool->turn_tail = caller;
	pool->turn_tail = &caller->turn_next;
}

static struct reef_pool_caller *pop_turn(struct reef_pool *pool) {
	struct reef_pool_caller *caller = pool->turn;
	pool->turn = caller->turn_next;
	if (pool->turn == NULL)
		pool->turn_tail = &pool->turn;
	return caller;
}

/* For a caller that is in no turn and has nothing waiting. */
static void forget_caller(struct reef_pool *pool, struct reef_pool_caller *caller) {
	*find_caller(pool, caller->source) = caller->bucket_next;
	caller->bucket_next = pool->spare_callers;
	pool->spare_callers = caller;
	pool->callers_count--;
}

bool reef_pool_enqueue(struct reef_pool *pool, struct reef_pool_node *node) {
	if (pool->waiting + pool->wanting.count >= pool->options.queue || pool->waiting_bytes >= pool->options.queue_bytes)
		return false;
	if (pool->callers_count >= pool->callers_size)
		grow_callers(pool);
	struct reef_pool_caller **link = find_caller(pool, node->source), *caller = *link;
	if (caller == NULL) {
		caller = pool->spare_callers;
		if (caller)
			pool->spare_callers = caller->bucket_next;
		else
			caller = reef_malloc(sizeof(*caller));
		*caller = (struct reef_pool_caller){.source = node->source};
		reef_pool_list_init(&caller->waiting);
		*link = caller;
		pool->callers_count++;
		push_turn(pool, caller);
	} else if (caller->waiting.count > pool->options.queue / 2) {
		/* Nobody may fill the queue alone. */
		return false;
	}
	reef_pool_list_push(&caller->waiting, node);
	pool->waiting++;
	pool->waiting_bytes += node->size;
	reef_deadline_arm(&pool->deadline, node->queue_deadline_ns);
	return true;
}

void reef_pool_advance(struct reef_pool *pool) {
	/* Callers in a row whose lane had no room. */
	size_t blocked = 0;
	while (pool->turn && blocked < pool->callers_count) {
		struct reef_pool_caller *caller = pool->turn;
		struct reef_pool_node *node = caller->waiting.head;
		struct reef_pool_connection *c = reef_pool_choose(pool, node->order);
		if (c == NULL) {
			if (reef_pool_choose(pool, 0) == NULL)
				return;
			blocked++;
			push_turn(pool, pop_turn(pool));
			continue;
		}
		blocked = 0;
		(void)pop_turn(pool);
		(void)reef_pool_list_pop(&caller->waiting);
		pool->waiting--;
		pool->waiting_bytes -= node->size;
		char *bytes = node->bytes;
		node->bytes = NULL;
		reef_histogram_add(&pool->queued, reef_pool_now(pool) - node->since_ns);
		reef_pool_enter_lane(pool, node, c);
		if (!reef_pool_connection_send(c, node, bytes, node->size)) {
			reef_pool_leave_lane(pool, node);
			reef_pool_fail(pool, node, REEF_POOL_CODE_OVERLOAD, false, "not enough memory");
		}
		reef_free(bytes);
		if (caller->waiting.head)
			push_turn(pool, caller);
		else
			forget_caller(pool, caller);
	}
}

static void sift_list(struct reef_pool *pool, struct reef_pool_list *list,
					  bool (*match)(const struct reef_pool_node *, void *),
					  void (*taken)(struct reef_pool *, struct reef_pool_node *, void *), void *ud) {
	struct reef_pool_node *node = list->head;
	reef_pool_list_init(list);
	while (node) {
		struct reef_pool_node *next = node->next;
		if (match(node, ud)) {
			pool->waiting_bytes -= node->size;
			taken(pool, node, ud);
		} else {
			reef_pool_list_push(list, node);
		}
		node = next;
	}
}

void reef_pool_sift(struct reef_pool *pool, bool (*match)(const struct reef_pool_node *node, void *ud),
					void (*taken)(struct reef_pool *pool, struct reef_pool_node *node, void *ud), void *ud) {
	sift_list(pool, &pool->wanting, match, taken, ud);
	struct reef_pool_caller *caller = pool->turn;
	pool->turn = NULL;
	pool->turn_tail = &pool->turn;
	while (caller) {
		struct reef_pool_caller *next = caller->turn_next;
		size_t before = caller->waiting.count;
		sift_list(pool, &caller->waiting, match, taken, ud);
		pool->waiting -= before - caller->waiting.count;
		if (caller->waiting.head)
			push_turn(pool, caller);
		else
			forget_caller(pool, caller);
		caller = next;
	}
}

void reef_pool_queue_fini(struct reef_pool *pool) {
	while (pool->spare_callers) {
		struct reef_pool_caller *caller = pool->spare_callers;
		pool->spare_callers = caller->bucket_next;
		reef_free(caller);
	}
	reef_free(pool->callers);
}
