/* Handles and names. */
#include "engine.h"

#include "core/epoch.h"
#include "core/handle.h"
#include "core/name.h"

static void handles_wrap_around_without_meeting_living_ones(void **state) {
	(void)state;
	struct reef_service *old = test_service_new();
	reef_handle_set_next(0xfffffe);
	struct reef_service *services[4];
	for (int i = 0; i < 4; i++)
		services[i] = test_service_new();
	assert_int_equal(services[0]->handle, 0xfffffe);
	assert_int_equal(services[1]->handle, 0xffffff);
	assert_true(services[2]->handle > 0 && services[2]->handle < 0x1000);
	for (int i = 0; i < 4; i++) {
		assert_int_not_equal(services[i]->handle, old->handle);
		assert_ptr_equal(reef_handle_find(services[i]->handle), services[i]);
		test_service_delete(services[i]);
	}
	test_service_delete(old);
}

static void a_dead_handle_is_not_found_and_not_soon_used_again(void **state) {
	(void)state;
	struct reef_service *service = test_service_new();
	uint32_t handle = service->handle;
	test_service_delete(service);
	assert_null(reef_handle_find(handle));
	for (int i = 0; i < 1000; i++) {
		service = test_service_new();
		assert_int_not_equal(service->handle, handle);
		test_service_delete(service);
	}
	assert_null(reef_handle_find(handle));
}

static void growing_loses_nobody(void **state) {
	(void)state;
	enum { N = 5000 };
	static struct reef_service *services[N];
	static uint32_t handles[N];
	for (int i = 0; i < N; i++)
		services[i] = test_service_new();
	for (int i = 0; i < N; i++)
		assert_ptr_equal(reef_handle_find(services[i]->handle), services[i]);
	assert_int_equal(reef_handle_list(handles, N), N);
	for (int i = 1; i < N; i++)
		assert_true(handles[i] > handles[i - 1]);
	for (int i = 0; i < N; i++)
		test_service_delete(services[i]);
}

static void a_taken_name_stays_with_its_owner(void **state) {
	(void)state;
	struct reef_service *a = test_service_new(), *b = test_service_new();
	assert_true(reef_name_add("bank", a->handle));
	assert_false(reef_name_add("bank", b->handle));
	assert_true(reef_name_add("counter", b->handle));
	assert_true(reef_name_add("account", a->handle));
	assert_int_equal(reef_name_find("bank"), a->handle);
	reef_name_remove_all(a->handle);
	assert_int_equal(reef_name_find("bank"), 0);
	assert_int_equal(reef_name_find("account"), 0);
	assert_int_equal(reef_name_find("counter"), b->handle);
	reef_name_remove_all(b->handle);
	test_service_delete(a);
	test_service_delete(b);
}

static void names_of_the_dead_are_refused(void **state) {
	(void)state;
	assert_false(reef_name_add("ghost", 0xabcdef));
	assert_int_equal(reef_name_find("ghost"), 0);
}

static void addresses_are_parsed_strictly(void **state) {
	(void)state;
	assert_int_equal(reef_address_parse(":0000002a"), 42);
	assert_int_equal(reef_address_parse(":2a"), 42);
	assert_int_equal(reef_address_parse("42"), 42);
	assert_int_equal(reef_address_parse(":"), 0);
	assert_int_equal(reef_address_parse(":2x"), 0);
	assert_int_equal(reef_address_parse(":123456789"), 0);
	assert_int_equal(reef_address_parse(""), 0);
	assert_int_equal(reef_address_parse(".nobody"), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(handles_wrap_around_without_meeting_living_ones),
			cmocka_unit_test(a_dead_handle_is_not_found_and_not_soon_used_again),
			cmocka_unit_test(growing_loses_nobody),
			cmocka_unit_test(a_taken_name_stays_with_its_owner),
			cmocka_unit_test(names_of_the_dead_are_refused),
			cmocka_unit_test(addresses_are_parsed_strictly),
	};
	reef_epoch_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
