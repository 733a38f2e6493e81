/* What a socket has to send: order, priorities, and that every byte goes out once. */
#include "engine.h"

#include "socket/wqueue.h"

/* Sends at most `n` bytes, as a kernel would, and appends them to `out`. */
static size_t drain(struct reef_wqueue *q, char *out, size_t n) {
	struct iovec iov[7];
	size_t sent = 0;
	int count = reef_wqueue_gather(q, iov, 7);
	for (int i = 0; i < count && sent < n; i++) {
		size_t part = iov[i].iov_len < n - sent ? iov[i].iov_len : n - sent;
		memcpy(out + sent, iov[i].iov_base, part);
		sent += part;
	}
	reef_wqueue_sent(q, sent);
	return sent;
}

static void drain_all(struct reef_wqueue *q, char *out) {
	size_t n;
	while ((n = drain(q, out, SIZE_MAX)) > 0)
		out += n;
	*out = '\0';
}

static void push(struct reef_wqueue *q, const char *text, enum reef_priority priority) {
	assert_true(reef_wqueue_push(q, text, strlen(text), priority));
}

static void normal_output_overtakes_low(void **state) {
	(void)state;
	struct reef_wqueue q;
	reef_wqueue_init(&q);
	char out[64];
	push(&q, "low1 ", REEF_LOW);
	push(&q, "a ", REEF_NORMAL);
	push(&q, "low2 ", REEF_LOW);
	push(&q, "b ", REEF_NORMAL);
	assert_int_equal(q.size, 14);
	drain_all(&q, out);
	assert_string_equal(out, "a b low1 low2 ");
	assert_int_equal(q.size, 0);
}

static void a_half_sent_low_packet_is_completed_first(void **state) {
	(void)state;
	struct reef_wqueue q;
	reef_wqueue_init(&q);
	char out[64];
	push(&q, "lowlow ", REEF_LOW);
	push(&q, "low2 ", REEF_LOW);
	assert_int_equal(drain(&q, out, 3), 3);
	push(&q, "normal ", REEF_NORMAL);
	drain_all(&q, out + 3);
	assert_string_equal(out, "lowlow normal low2 ");
}

static void a_low_packet_that_has_not_begun_waits(void **state) {
	(void)state;
	struct reef_wqueue q;
	reef_wqueue_init(&q);
	char out[64];
	push(&q, "one ", REEF_LOW);
	push(&q, "two ", REEF_LOW);
	assert_int_equal(drain(&q, out, 4), 4);
	push(&q, "normal ", REEF_NORMAL);
	drain_all(&q, out + 4);
	assert_string_equal(out, "one normal two ");
}

static void blocks_that_were_handed_over_keep_their_place(void **state) {
	(void)state;
	struct reef_wqueue q;
	reef_wqueue_init(&q);
	char out[64];
	push(&q, "a", REEF_NORMAL);
	char *block = reef_malloc(3);
	memcpy(block, "bcd", 3);
	reef_wqueue_push_take(&q, block, 3, REEF_NORMAL);
	push(&q, "e", REEF_NORMAL);
	reef_wqueue_push_take(&q, reef_malloc(1), 0, REEF_NORMAL);
	drain_all(&q, out);
	assert_string_equal(out, "abcde");
}

static void clearing_forgets_everything(void **state) {
	(void)state;
	struct reef_wqueue q;
	reef_wqueue_init(&q);
	struct iovec iov[4];
	push(&q, "a", REEF_NORMAL);
	push(&q, "b", REEF_LOW);
	reef_wqueue_clear(&q);
	assert_int_equal(q.size, 0);
	assert_int_equal(reef_wqueue_gather(&q, iov, 4), 0);
	push(&q, "c", REEF_NORMAL);
	assert_int_equal(reef_wqueue_gather(&q, iov, 4), 1);
	reef_wqueue_clear(&q);
}

/* Random writes of both kinds against random sends: each kind arrives complete and in order, and no low packet is torn.
 * A packet is: its kind, its length, its bytes counting up within the kind. */
static void whatever_the_kernel_takes_every_byte_arrives_once_and_packets_stay_whole(void **state) {
	(void)state;
	uint64_t seed = 20261123;
	struct reef_wqueue q;
	reef_wqueue_init(&q);
	enum { TOTAL = 400000 };
	char *out = malloc(TOTAL + 70000);
	size_t out_size = 0, pushed = 0;
	unsigned char next[2] = {0, 0};
	while (pushed < TOTAL || q.size > 0) {
		if (pushed < TOTAL && test_random(&seed) % 2) {
			unsigned char packet[258];
			int kind = (int)(test_random(&seed) % 2);
			size_t n = test_random(&seed) % 200;
			packet[0] = (unsigned char)kind;
			packet[1] = (unsigned char)n;
			for (size_t i = 0; i < n; i++)
				packet[2 + i] = next[kind]++;
			if (test_random(&seed) % 4) {
				assert_true(reef_wqueue_push(&q, packet, n + 2, kind ? REEF_LOW : REEF_NORMAL));
			} else {
				void *block = reef_malloc(n + 2);
				memcpy(block, packet, n + 2);
				reef_wqueue_push_take(&q, block, n + 2, kind ? REEF_LOW : REEF_NORMAL);
			}
			pushed += n + 2;
		} else {
			/* The kernel may cut a normal packet too; the next bytes of a stream of normal ones then follow at once unless
			 * a half-sent low one is in front, which cannot be while a normal one is half sent. */
			out_size += drain(&q, out + out_size, test_random(&seed) % 600);
		}
	}
	assert_int_equal(out_size, pushed);
	unsigned char seen[2] = {0, 0};
	for (size_t i = 0; i < out_size;) {
		int kind = out[i];
		size_t n = (unsigned char)out[i + 1];
		assert_in_range(kind, 0, 1);
		for (size_t k = 0; k < n; k++)
			assert_int_equal((unsigned char)out[i + 2 + k], seen[kind]++);
		i += n + 2;
	}
	assert_int_equal(seen[0], next[0]);
	assert_int_equal(seen[1], next[1]);
	free(out);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(normal_output_overtakes_low),
			cmocka_unit_test(a_half_sent_low_packet_is_completed_first),
			cmocka_unit_test(a_low_packet_that_has_not_begun_waits),
			cmocka_unit_test(blocks_that_were_handed_over_keep_their_place),
			cmocka_unit_test(clearing_forgets_everything),
			cmocka_unit_test(whatever_the_kernel_takes_every_byte_arrives_once_and_packets_stay_whole),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
