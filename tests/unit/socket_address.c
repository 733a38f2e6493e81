/* Texts of addresses, and datagram addresses. */
#include "engine.h"

#include "socket/names/address.h"
#include "socket/names/endpoint.h"

/* What a text means: "literal TEXT", "name HOST PORT" or the error. */
static const char *meaning(const char *text, int port) {
	static char result[512];
	struct reef_endpoint endpoint;
	const char *error = reef_endpoint_parse(&endpoint, text, port);
	if (error) {
		snprintf(result, sizeof result, "%s", error);
	} else if (endpoint.literal) {
		char address[REEF_ADDRESS_SIZE];
		reef_address_text(&endpoint.address, address);
		snprintf(result, sizeof result, "literal %s", address);
	} else {
		snprintf(result, sizeof result, "name %s %d", endpoint.host, endpoint.port);
	}
	return result;
}

static void every_form_means_what_it_says(void **state) {
	(void)state;
	assert_string_equal(meaning("127.0.0.1", 80), "literal 127.0.0.1:80");
	assert_string_equal(meaning("127.0.0.1:80", -1), "literal 127.0.0.1:80");
	assert_string_equal(meaning("::1", 80), "literal [::1]:80");
	assert_string_equal(meaning("[::1]", 80), "literal [::1]:80");
	assert_string_equal(meaning("[::1]:80", -1), "literal [::1]:80");
	assert_string_equal(meaning("[::1]:0", -1), "literal [::1]:0");
	assert_string_equal(meaning("fe80::1%lo", 80), "literal [fe80::1]:80");
	assert_string_equal(meaning("[fe80::1%1]:80", -1), "literal [fe80::1]:80");
	assert_string_equal(meaning("fe80::1%nothing", 80), "name fe80::1%nothing 80");
	assert_string_equal(meaning("fe80::1%", 80), "name fe80::1% 80");
	assert_string_equal(meaning("127.0.0.1%lo", 80), "name 127.0.0.1%lo 80");
	assert_string_equal(meaning("example.test", 65535), "name example.test 65535");
	assert_string_equal(meaning("example.test:1", -1), "name example.test 1");
	assert_string_equal(meaning("/tmp/socket", -1), "literal /tmp/socket");
	assert_string_equal(meaning("/tmp/a:b", -1), "literal /tmp/a:b");
	assert_string_equal(meaning("unix:relative", -1), "literal relative");
	assert_string_equal(meaning("unix:@hidden", 5), "literal @hidden");
}

static void what_is_no_address_is_refused_with_its_text(void **state) {
	(void)state;
	assert_string_equal(meaning("localhost", -1), "Invalid address localhost.");
	assert_string_equal(meaning("", -1), "Invalid address .");
	assert_string_equal(meaning("", 80), "Invalid address .");
	assert_string_equal(meaning(":80", -1), "Invalid address :80.");
	assert_string_equal(meaning("[]:80", -1), "Invalid address []:80.");
	assert_string_equal(meaning("[::1]80", -1), "Invalid address [::1]80.");
	assert_string_equal(meaning("a:", -1), "Invalid port in address a:.");
	assert_string_equal(meaning("a:-1", -1), "Invalid port in address a:-1.");
	assert_string_equal(meaning("a:65536", -1), "Invalid port in address a:65536.");
	assert_string_equal(meaning("a:080000", -1), "Invalid port in address a:080000.");
	assert_string_equal(meaning("a", 65536), "Invalid port in address a.");
	char path[200];
	memset(path, '/', sizeof path);
	path[sizeof path - 1] = '\0';
	assert_memory_equal(meaning(path, -1), "Invalid address", 15);
	char name[600];
	memset(name, 'x', sizeof name);
	name[sizeof name - 1] = '\0';
	assert_memory_equal(meaning(name, 80), "Invalid address", 15);
}

static void any_bytes_are_taken_or_refused(void **state) {
	(void)state;
	uint64_t seed = 99;
	static const char alphabet[] = "0123456789abcdef.:[]/@unix-";
	for (int i = 0; i < 200000; i++) {
		char text[40];
		size_t n = test_random(&seed) % (sizeof text - 1);
		for (size_t k = 0; k < n; k++)
			text[k] = alphabet[test_random(&seed) % (sizeof alphabet - 1)];
		text[n] = '\0';
		assert_non_null(meaning(text, (int)(test_random(&seed) % 3) - 1));
	}
}

static void a_datagram_address_survives_the_round_trip(void **state) {
	(void)state;
	static const char *const texts[] = {"1.2.3.4:5", "[2001:db8::1]:65535"};
	for (size_t i = 0; i < 2; i++) {
		struct reef_endpoint endpoint;
		struct reef_udp_address udp;
		struct reef_address back;
		char text[REEF_ADDRESS_SIZE];
		assert_null(reef_endpoint_parse(&endpoint, texts[i], -1));
		assert_true(reef_address_to_udp(&endpoint.address, &udp));
		assert_int_equal(udp.size, i == 0 ? 7 : 19);
		assert_true(reef_address_from_udp(&back, udp.bytes, udp.size));
		reef_address_text(&back, text);
		assert_string_equal(text, texts[i]);
	}
	struct reef_address address;
	assert_false(reef_address_from_udp(&address, (const uint8_t *)"\1\0\0\0\0\0\0\0", 8));
	assert_false(reef_address_from_udp(&address, (const uint8_t *)"\2\0\0\0\0\0\0", 7));
	assert_false(reef_address_from_udp(&address, NULL, 0));
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(every_form_means_what_it_says),
			cmocka_unit_test(what_is_no_address_is_refused_with_its_text),
			cmocka_unit_test(any_bytes_are_taken_or_refused),
			cmocka_unit_test(a_datagram_address_survives_the_round_trip),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
