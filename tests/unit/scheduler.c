/* The whole engine with C services on four workers: services ask each other, are killed and replaced all the time, and
 * every request must be answered exactly once, by a reply or by an error. */
#include "engine.h"

#include "core/clock.h"
#include "core/end.h"
#include "core/env.h"
#include "core/module.h"
#include "core/rooms.h"
#include "core/runtime.h"
#include "core/send.h"
#include "core/service.h"
#include "core/service_life.h"
#include "core/timer.h"

#define NODES 64
#define REQUESTS 200000 /* in all */
#define IN_FLIGHT 16    /* a node */
#define KILL_EVERY 200  /* requests */
#define GIVE_UP_NS UINT64_C(60000000000)

static _Atomic(uint32_t) nodes[NODES];
static atomic_long asked, replied, failed, refused, twice;
static atomic_int order_broken;
static atomic_bool stopping;
static uint64_t give_up;

struct node {
	int place;
	uint64_t seed;
	int waiting;
	bool pending[4096];   /* by session */
	int32_t heard[NODES]; /* the last number of each place's one-way messages, to see their order */
	uint32_t heard_from[NODES];
	int32_t told;
};

static void ask(struct reef_service *service, struct node *node) {
	while (node->waiting < IN_FLIGHT && !atomic_load(&stopping)) {
		long n = atomic_fetch_add(&asked, 1);
		if (n >= REQUESTS) {
			atomic_fetch_sub(&asked, 1);
			atomic_store(&stopping, true);
			break;
		}
		int place = (int)(test_random(&node->seed) % NODES);
		uint32_t peer = atomic_load(&nodes[place]);
		int32_t session = reef_service_new_session(service);
		/* Before it is sent: the answer may be there before the call returns. */
		node->pending[session % 4096] = true;
		node->waiting++;
		if (!reef_send_copy(reef_service_handle(service), peer, REEF_PTYPE_LUA, session, "ask", 3)) {
			node->pending[session % 4096] = false;
			node->waiting--;
			atomic_fetch_add(&refused, 1);
		}
		char number[16];
		int size = snprintf(number, sizeof number, "%d %d", node->place, ++node->told);
		reef_send_copy(reef_service_handle(service), atomic_load(&nodes[0]), REEF_PTYPE_CLIENT, 0, number,
					   (size_t)size + 1);
		if (n % KILL_EVERY == 0)
			reef_service_kill(peer);
	}
}

static void answered(struct node *node, int32_t session, atomic_long *counter) {
	if (!node->pending[session % 4096])
		atomic_fetch_add(&twice, 1);
	node->pending[session % 4096] = false;
	node->waiting--;
	atomic_fetch_add(counter, 1);
}

static void on_message(struct reef_service *service, void *ud, struct reef_message *m) {
	struct node *node = ud;
	if (m->type == REEF_PTYPE_LUA) {
		reef_send_copy(reef_service_handle(service), m->source, REEF_PTYPE_RESPONSE, m->session, m->data, m->size);
	} else if (m->type == REEF_PTYPE_RESPONSE) {
		answered(node, m->session, &replied);
	} else if (m->type == REEF_PTYPE_ERROR && m->session != 0) {
		answered(node, m->session, &failed);
	} else if (m->type == REEF_PTYPE_CLIENT) {
		int place, number;
		sscanf(m->data, "%d %d", &place, &number);
		if (node->heard_from[place] == m->source && number <= node->heard[place])
			atomic_fetch_add(&order_broken, 1);
		node->heard_from[place] = m->source;
		node->heard[place] = number;
	}
	ask(service, node);
}

static int node_init(struct reef_service *service, const char *args) {
	struct node *node = reef_calloc(1, sizeof *node);
	node->place = atoi(args);
	node->seed = reef_service_handle(service) * UINT64_C(0x9e3779b97f4a7c15) + 1;
	reef_service_set_instance(service, node);
	reef_service_set_callback(service, on_message, node);
	atomic_store(&nodes[node->place], reef_service_handle(service));
	reef_send_copy(0, reef_service_handle(service), REEF_PTYPE_TEXT, 0, NULL, 0);
	return 0;
}

/* A dead node's own questions do not count. Another one takes its place. */
static void node_release(struct reef_service *service) {
	struct node *node = reef_service_instance(service);
	atomic_fetch_sub(&asked, node->waiting);
	if (!atomic_load(&stopping)) {
		char args[16];
		snprintf(args, sizeof args, "%d", node->place);
		reef_service_launch("node", args);
	}
	reef_free(node);
}

/* Looks every few milliseconds whether all is answered, and ends the process. */
static void watch(struct reef_service *service, void *ud, struct reef_message *m) {
	(void)ud;
	(void)m;
	bool all = atomic_load(&stopping) &&
			   atomic_load(&replied) + atomic_load(&failed) + atomic_load(&refused) == atomic_load(&asked);
	if (all || reef_now_ns() > give_up)
		reef_end_abort(0);
	else
		reef_timer_add(reef_service_handle(service), 1, reef_now_ns() + 5000000);
}

static void watch_release(struct reef_service *service) {
	(void)service;
}

static int watch_init(struct reef_service *service, const char *args) {
	(void)args;
	reef_service_set_callback(service, watch, NULL);
	for (int i = 0; i < NODES; i++) {
		char place[16];
		snprintf(place, sizeof place, "%d", i);
		reef_service_launch("node", place);
	}
	reef_send_copy(0, reef_service_handle(service), REEF_PTYPE_TEXT, 0, NULL, 0);
	return 0;
}

static void every_request_is_answered_exactly_once(void **state) {
	(void)state;
	static const struct reef_module node = {.name = "node", .init = node_init, .release = node_release};
	static const struct reef_module watcher = {.name = "watcher", .init = watch_init, .release = watch_release};
	reef_module_register(&node);
	reef_module_register(&watcher);
	reef_env_set("thread", "4");
	reef_env_set("bootstrap", "watcher");
	reef_env_set("logservice", "logger");
	reef_env_set("logger", "/dev/null");
	give_up = reef_now_ns() + GIVE_UP_NS;
	assert_int_equal(reef_runtime_run(reef_rooms), 0);
	print_message("%ld requests: %ld replies, %ld errors, %ld refused\n", atomic_load(&asked), atomic_load(&replied),
				  atomic_load(&failed), atomic_load(&refused));
	assert_int_equal(atomic_load(&twice), 0);
	assert_int_equal(atomic_load(&order_broken), 0);
	assert_int_equal(atomic_load(&replied) + atomic_load(&failed) + atomic_load(&refused), atomic_load(&asked));
	assert_true(atomic_load(&replied) > REQUESTS / 4);
	assert_true(atomic_load(&failed) > 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {cmocka_unit_test(every_request_is_answered_exactly_once)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
