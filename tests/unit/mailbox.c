/* The mailbox: many senders, one receiver. */
#include "engine.h"

#include <pthread.h>

#include "core/epoch.h"
#include "core/mailbox.h"
#include "core/run_queue.h"
#include "core/send.h"

#define SENDERS 4
#define MESSAGES 50000

static uint32_t receiver;

static void *send_numbers(void *p) {
	uint32_t source = (uint32_t)(uintptr_t)p;
	reef_epoch_enter();
	for (int32_t i = 1; i <= MESSAGES; i++)
		assert_true(reef_send_copy(source, receiver, REEF_PTYPE_LUA, i, NULL, 0));
	reef_epoch_leave();
	return NULL;
}

static void messages_of_one_sender_keep_their_order(void **state) {
	(void)state;
	struct reef_service *service = test_service_new();
	receiver = service->handle;
	pthread_t threads[SENDERS];
	for (uintptr_t i = 0; i < SENDERS; i++)
		pthread_create(&threads[i], NULL, send_numbers, (void *)i);
	int32_t last[SENDERS] = {0};
	for (int n = 0; n < SENDERS * MESSAGES;) {
		struct reef_message *m = test_service_pop(service);
		if (m == NULL)
			continue;
		assert_int_equal(m->session, ++last[m->source]);
		reef_message_free(m);
		n++;
	}
	for (int i = 0; i < SENDERS; i++)
		pthread_join(threads[i], NULL);
	assert_null(test_service_pop(service));
	test_service_delete(service);
}

static void a_service_at_rest_is_scheduled_once_by_many_messages(void **state) {
	(void)state;
	struct reef_service *service = test_service_new();
	assert_true(reef_mailbox_rest(service));
	for (int i = 1; i <= 3; i++)
		reef_send_copy(1, service->handle, REEF_PTYPE_LUA, i, NULL, 0);
	assert_ptr_equal(reef_global_queue_pop(), service);
	assert_null(reef_global_queue_pop());
	assert_false(reef_mailbox_rest(service));
	test_service_delete(service);
}

static void sending_to_nobody_says_so(void **state) {
	(void)state;
	assert_false(reef_send_copy(1, 0xfffff1, REEF_PTYPE_LUA, 1, "x", 1));
}

static void payloads_arrive_whole(void **state) {
	(void)state;
	struct reef_service *service = test_service_new();
	char bytes[5000];
	for (size_t i = 0; i < sizeof bytes; i++)
		bytes[i] = (char)(i * 7);
	for (size_t size = 0; size < sizeof bytes; size = size * 3 + 1) {
		reef_send_copy(1, service->handle, REEF_PTYPE_LUA, 1, bytes, size);
		struct reef_message *m = test_service_pop(service);
		assert_int_equal(m->size, size);
		assert_memory_equal(m->data, bytes, size);
		char *taken = reef_message_take(m);
		reef_message_free(m);
		if (size > 0)
			assert_memory_equal(taken, bytes, size);
		else
			assert_null(taken);
		reef_free(taken);
	}
	test_service_delete(service);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(messages_of_one_sender_keep_their_order),
			cmocka_unit_test(a_service_at_rest_is_scheduled_once_by_many_messages),
			cmocka_unit_test(sending_to_nobody_says_so),
			cmocka_unit_test(payloads_arrive_whole),
	};
	reef_epoch_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
