/* Who waits for room: see queue.h. */
#include "queue.h"

#include "connection.h"
#include "core/alloc.h"
#include "lane.h"

struct reef_pool_caller {
	struct reef_pool_caller *next; /* in turn, or among the spare ones */
	uint32_t source;
	struct reef_pool_list waiting;
};

static const void *key_of_caller(uint32_t source) {
	return (const void *)((uintptr_t)source + 1);
}

static void push_turn(struct reef_pool *pool, struct reef_pool_caller *caller) {
	caller->next = NULL;
	*pool->turn_tail = caller;
	pool->turn_tail = &caller->next;
}

static struct reef_pool_caller *pop_turn(struct reef_pool *pool) {
	struct reef_pool_caller *caller = pool->turn;
	pool->turn = caller->next;
	if (pool->turn == NULL)
		pool->turn_tail = &pool->turn;
	return caller;
}

/* For a caller that is in no turn and has nothing waiting. */
static void forget_caller(struct reef_pool *pool, struct reef_pool_caller *caller) {
	reef_ptrmap_remove(&pool->callers, key_of_caller(caller->source));
	caller->next = pool->spare_callers;
	pool->spare_callers = caller;
}

/* Puts a new caller at the end of the turn; NULL when out of memory. */
static struct reef_pool_caller *add_caller(struct reef_pool *pool, uint32_t source) {
	struct reef_pool_caller *caller = pool->spare_callers;
	if (caller)
		pool->spare_callers = caller->next;
	else
		caller = reef_malloc(sizeof(*caller));
	*caller = (struct reef_pool_caller){.source = source};
	if (!reef_ptrmap_put(&pool->callers, key_of_caller(source), caller)) {
		reef_free(caller);
		return NULL;
	}
	reef_pool_list_init(&caller->waiting);
	push_turn(pool, caller);
	return caller;
}

bool reef_pool_enqueue(struct reef_pool *pool, struct reef_pool_node *node) {
	if (pool->waiting + pool->wanting.count >= pool->options.queue || pool->waiting_bytes >= pool->options.queue_bytes)
		return false;
	struct reef_pool_caller *caller = reef_ptrmap_get(&pool->callers, key_of_caller(node->source));
	/* Nobody may fill the queue alone. */
	if (caller && caller->waiting.count > pool->options.queue / 2)
		return false;
	if (caller == NULL && (caller = add_caller(pool, node->source)) == NULL)
		return false;
	reef_pool_list_push(&caller->waiting, node);
	pool->waiting++;
	pool->waiting_bytes += node->size;
	reef_deadline_arm(&pool->deadline, node->queue_deadline_ns);
	return true;
}

void reef_pool_advance(struct reef_pool *pool) {
	/* Callers in a row whose lane had no room. */
	size_t blocked = 0;
	while (pool->turn && blocked < pool->callers.count) {
		struct reef_pool_caller *caller = pool->turn;
		struct reef_pool_node *node = caller->waiting.head;
		struct reef_pool_connection *c = reef_pool_enter_lane(pool, node);
		if (c == NULL) {
			if (!reef_pool_has_any_room(pool))
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
		struct reef_pool_caller *next = caller->next;
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
		pool->spare_callers = caller->next;
		reef_free(caller);
	}
	reef_ptrmap_fini(&pool->callers);
}
