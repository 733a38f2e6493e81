/* Packets with a 2-byte length, cut out of streams. */
#include "engine.h"

#include "socket/lua/netpack.h"

static void expect(struct reef_netpack *queue, int id, const char *text) {
	struct reef_packet packet;
	assert_true(reef_netpack_pop(queue, &packet));
	assert_int_equal(packet.id, id);
	assert_int_equal(packet.size, strlen(text));
	assert_memory_equal(packet.data, text, packet.size);
	reef_free(packet.data);
}

static void packets_come_out_whole_at_every_cut(void **state) {
	(void)state;
	static const char stream[] = "\0\5hello\0\0\0\1x\0\3abc";
	size_t size = sizeof stream - 1;
	for (size_t cut = 0; cut <= size; cut++) {
		for (size_t cut2 = cut; cut2 <= size; cut2++) {
			struct reef_netpack *queue = reef_netpack_new(2, 65535);
			reef_netpack_feed(queue, 7, stream, cut);
			reef_netpack_feed(queue, 7, stream + cut, cut2 - cut);
			reef_netpack_feed(queue, 7, stream + cut2, size - cut2);
			expect(queue, 7, "hello");
			expect(queue, 7, "");
			expect(queue, 7, "x");
			expect(queue, 7, "abc");
			assert_int_equal(reef_netpack_count(queue), 0);
			reef_netpack_delete(queue);
		}
	}
}

static void streams_do_not_mix(void **state) {
	(void)state;
	struct reef_netpack *queue = reef_netpack_new(2, 65535);
	for (int id = 1; id <= 1000; id++)
		reef_netpack_feed(queue, id, "\0\4ab", 4);
	for (int id = 1000; id >= 1; id--)
		reef_netpack_feed(queue, id, "cd", 2);
	for (int id = 1000; id >= 1; id--)
		expect(queue, id, "abcd");
	reef_netpack_delete(queue);
}

static void the_rest_of_a_stream_that_ended_is_forgotten(void **state) {
	(void)state;
	struct reef_netpack *queue = reef_netpack_new(2, 65535);
	reef_netpack_feed(queue, 3, "\0\4ab", 4);
	reef_netpack_forget(queue, 3);
	reef_netpack_feed(queue, 3, "\0\1z", 3);
	expect(queue, 3, "z");
	reef_netpack_delete(queue);
}

static void the_largest_packet_arrives_a_byte_at_a_time(void **state) {
	(void)state;
	struct reef_netpack *queue = reef_netpack_new(2, 65535);
	reef_netpack_feed(queue, 9, "\xff", 1);
	reef_netpack_feed(queue, 9, "\xff", 1);
	for (int i = 0; i < 65535; i++) {
		assert_int_equal(reef_netpack_count(queue), 0);
		reef_netpack_feed(queue, 9, "y", 1);
	}
	struct reef_packet packet;
	assert_true(reef_netpack_pop(queue, &packet));
	assert_int_equal(packet.size, 65535);
	reef_free(packet.data);
	reef_netpack_delete(queue);
}

static void clearing_drops_what_is_complete_and_what_is_not(void **state) {
	(void)state;
	struct reef_netpack *queue = reef_netpack_new(2, 65535);
	reef_netpack_feed(queue, 1, "\0\1a\0\2b", 6);
	reef_netpack_clear(queue);
	assert_int_equal(reef_netpack_count(queue), 0);
	reef_netpack_feed(queue, 1, "\0\1c", 3);
	expect(queue, 1, "c");
	reef_netpack_delete(queue);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(packets_come_out_whole_at_every_cut),
			cmocka_unit_test(streams_do_not_mix),
			cmocka_unit_test(the_rest_of_a_stream_that_ended_is_forgotten),
			cmocka_unit_test(the_largest_packet_arrives_a_byte_at_a_time),
			cmocka_unit_test(clearing_drops_what_is_complete_and_what_is_not),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
