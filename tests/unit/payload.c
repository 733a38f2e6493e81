/* Payloads that several messages share: the bytes stay until the last one lets go, and whoever takes them has a copy. */
#include "engine.h"

#include <pthread.h>
#include <string.h>

#include "core/alloc.h"
#include "core/message.h"

#define THREADS 4
#define MESSAGES 1000

static char bytes[4096];

static void *free_all(void *p) {
	struct reef_message **messages = p;
	for (int i = 0; i < MESSAGES; i++) {
		assert_memory_equal(messages[i]->data, bytes, sizeof bytes);
		reef_message_free(messages[i]);
	}
	return NULL;
}

static void messages_share_one_block_and_let_go_on_any_thread(void **state) {
	(void)state;
	static struct reef_message *messages[THREADS][MESSAGES];
	memset(bytes, 'x', sizeof bytes);
	struct reef_payload *payload = reef_payload_new(bytes, sizeof bytes);
	const void *data = NULL;
	for (int t = 0; t < THREADS; t++)
		for (int i = 0; i < MESSAGES; i++) {
			messages[t][i] = reef_payload_message(payload);
			data = data ? data : messages[t][i]->data;
			assert_ptr_equal(messages[t][i]->data, data);
			assert_int_equal(messages[t][i]->size, sizeof bytes);
		}
	reef_payload_release(payload);
	pthread_t threads[THREADS];
	for (int t = 0; t < THREADS; t++)
		pthread_create(&threads[t], NULL, free_all, messages[t]);
	for (int t = 0; t < THREADS; t++)
		pthread_join(threads[t], NULL);
}

static void what_is_taken_out_is_a_copy(void **state) {
	(void)state;
	struct reef_payload *payload = reef_payload_new("shared", 6);
	struct reef_message *first = reef_payload_message(payload), *second = reef_payload_message(payload);
	reef_payload_release(payload);
	char *taken = reef_message_take(first);
	assert_ptr_not_equal(taken, second->data);
	assert_memory_equal(taken, "shared", 6);
	reef_message_free(first);
	taken[0] = 'X';
	assert_memory_equal(second->data, "shared", 6);
	reef_message_free(second);
	reef_free(taken);
}

static void an_empty_payload_is_one(void **state) {
	(void)state;
	struct reef_payload *payload = reef_payload_new(NULL, 0);
	struct reef_message *first = reef_payload_message(payload), *second = reef_payload_message(payload);
	assert_null(reef_message_take(first));
	reef_message_free(first);
	reef_payload_release(payload);
	reef_message_free(second);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(messages_share_one_block_and_let_go_on_any_thread),
			cmocka_unit_test(what_is_taken_out_is_a_copy),
			cmocka_unit_test(an_empty_payload_is_one),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
