/* Socket ids: positive, never soon the same again, at most 65536 at a time. */
#include "engine.h"

#include "core/epoch.h"
#include "socket/close.h"
#include "socket/events.h"
#include "socket/info.h"
#include "socket/output.h"
#include "socket/slot.h"
#include "socket/teardown.h"

static int new_id(void) {
	struct reef_slot *slot = reef_slot_new(REEF_KIND_STREAM, 0);
	assert_non_null(slot);
	int id = (int)atomic_load(&slot->id);
	reef_slot_unlock(slot);
	return id;
}

static void delete_id(int id) {
	struct reef_slot *slot = reef_slot_lock(id);
	assert_non_null(slot);
	reef_teardown(slot);
	reef_slot_unlock(slot);
}

static void an_id_is_not_soon_used_again(void **state) {
	(void)state;
	int first = new_id();
	delete_id(first);
	assert_null(reef_slot_lock(first));
	for (int i = 0; i < 200000; i++) {
		int id = new_id();
		assert_int_not_equal(id, first);
		assert_true(id > 0);
		delete_id(id);
	}
}

static void ids_stay_positive_when_the_counter_wraps_around(void **state) {
	(void)state;
	reef_slot_set_next_id(INT32_MAX - 1);
	for (int i = 0; i < 5; i++) {
		int id = new_id();
		assert_true(id > 0);
		delete_id(id);
	}
}

static void numbers_that_are_no_ids_find_nothing(void **state) {
	(void)state;
	static const int wrong[] = {0, -1, INT32_MIN, INT32_MAX, 123456};
	for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
		assert_null(reef_slot_lock(wrong[i]));
		assert_false(reef_socket_write(wrong[i], "x", 1, REEF_NORMAL));
		reef_socket_close(wrong[i]);
		reef_socket_shutdown(wrong[i]);
		reef_socket_abandon(wrong[i]);
		reef_socket_pause(wrong[i]);
		reef_socket_resume(wrong[i]);
		assert_int_equal(reef_socket_unsent(wrong[i]), 0);
	}
}

static void there_are_65536_of_them_and_then_no_more(void **state) {
	(void)state;
	static int ids[REEF_SLOTS];
	for (int i = 0; i < REEF_SLOTS; i++)
		ids[i] = new_id();
	assert_null(reef_slot_new(REEF_KIND_STREAM, 0));
	delete_id(ids[777]);
	int again = new_id();
	assert_int_not_equal(again, ids[777]);
	ids[777] = again;
	int found = 0;
	for (int id = reef_info_next(0); id != 0; id = reef_info_next(id))
		found++;
	assert_int_equal(found, REEF_SLOTS);
	for (int i = 0; i < REEF_SLOTS; i++)
		delete_id(ids[i]);
	assert_int_equal(reef_info_next(0), 0);
}

/* The event of a socket that was closed meanwhile is still in a mailbox: its slot must not be used for another socket,
 * or the event would be pushed twice. */
static void a_slot_whose_event_is_under_way_is_not_reused(void **state) {
	(void)state;
	reef_epoch_enter();
	struct reef_service *service = test_service_new();
	struct reef_slot *slot = reef_slot_new(REEF_KIND_STREAM, service->handle);
	uint32_t id = atomic_load(&slot->id);
	assert_true(reef_slot_signal(slot, EPOLLIN));
	reef_teardown(slot);
	reef_slot_unlock(slot);
	reef_slot_set_next_id(id + REEF_SLOTS);
	struct reef_slot *other = reef_slot_new(REEF_KIND_STREAM, 0);
	assert_ptr_not_equal(other, slot);
	reef_teardown(other);
	reef_slot_unlock(other);
	struct reef_message *m = test_service_pop(service);
	assert_ptr_equal(m, &slot->event.message);
	slot->event.deliver(service, &slot->event);
	assert_null(reef_slot_lock((int)id));
	test_service_delete(service);
	reef_epoch_leave();
}

static void many_signals_are_one_event(void **state) {
	(void)state;
	reef_epoch_enter();
	struct reef_service *service = test_service_new();
	struct reef_slot *slot = reef_slot_new(REEF_KIND_STREAM, service->handle);
	for (int i = 0; i < 3; i++)
		assert_true(reef_slot_signal(slot, EPOLLIN));
	assert_non_null(test_service_pop(service));
	assert_null(test_service_pop(service));
	reef_teardown(slot);
	reef_slot_unlock(slot);
	slot->event.deliver(service, &slot->event);
	test_service_delete(service);
	reef_epoch_leave();
}

static void what_a_dead_service_owned_is_closed(void **state) {
	(void)state;
	reef_epoch_enter();
	struct reef_service *service = test_service_new();
	int ids[3];
	for (int i = 0; i < 3; i++) {
		struct reef_slot *slot = reef_slot_new(REEF_KIND_STREAM, service->handle);
		ids[i] = (int)atomic_load(&slot->id);
		reef_slot_unlock(slot);
	}
	int stranger = new_id();
	reef_close_orphans(service->handle);
	for (int i = 0; i < 3; i++)
		assert_null(reef_slot_lock(ids[i]));
	struct reef_slot *slot = reef_slot_lock(stranger);
	assert_non_null(slot);
	reef_teardown(slot);
	reef_slot_unlock(slot);
	test_service_delete(service);
	reef_epoch_leave();
}

int main(void) {
	reef_slot_setup(reef_events_deliver, reef_events_drop, reef_output_deferred_flush);
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(an_id_is_not_soon_used_again),
			cmocka_unit_test(ids_stay_positive_when_the_counter_wraps_around),
			cmocka_unit_test(numbers_that_are_no_ids_find_nothing),
			cmocka_unit_test(there_are_65536_of_them_and_then_no_more),
			cmocka_unit_test(a_slot_whose_event_is_under_way_is_not_reused),
			cmocka_unit_test(many_signals_are_one_event),
			cmocka_unit_test(what_a_dead_service_owned_is_closed),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
