/* tsan: no, one thread does all of it */
/* What may be shown of text: control characters and passwords never pass, the rest does. */
#include "engine.h"

#include <stdio.h>

#include "core/clean.h"
#include "core/text.h"

#define ROUNDS 20000
#define SECRET "s3cr3t-7e1f"

static uint64_t seed = 20261128;

static unsigned below(unsigned n) {
	return (unsigned)(test_random(&seed) % n);
}

static struct reef_text cleaned(const char *text, size_t size) {
	struct reef_text t = {0};
	reef_clean_add(&t, text, size);
	assert_false(t.failed);
	return t;
}

static bool contains(const struct reef_text *t, const char *word) {
	return t->size > 0 && memmem(t->data, t->size, word, strlen(word)) != NULL;
}

static void expect(const char *text, const char *want) {
	struct reef_text t = cleaned(text, strlen(text));
	reef_text_add(&t, "", 1);
	assert_string_equal(t.data, want);
	reef_text_free(&t);
}

static void ordinary_text_stays_as_it_is(void **state) {
	(void)state;
	static const char *const texts[] = {
			"",
			"LAUNCH snlua main a b",
			"stack traceback:\n\t[C]: in ?",
			"\xc3\xa9\xe2\x82\xac\xf0\x9f\x90\x9a",
			"metrics at http://127.0.0.1:9464/",
			"redis://localhost:6379/0?timeout=2",
			"redis://[::1]:6379: refused",
			"mongodb://a:27017,b:27018/db",
			"file:///a/b:c",
			"wrong password",
			"pass = 3, fail = 0",
			"x=1&y=2",
			"::::",
			"auth: ok",
			"12:34:56 user:name",
			"Access denied for user 'u'@'h' (using password: YES)",
			"Access denied (using password: NO)",
	};
	for (size_t i = 0; i < sizeof texts / sizeof texts[0]; i++)
		expect(texts[i], texts[i]);
}

static void a_control_character_is_shown_by_its_bytes(void **state) {
	(void)state;
	expect("\x1b[31mred\x1b[0m", "\\x1b[31mred\\x1b[0m");
	expect("a\rb\x07\x7f", "a\\x0d"
						   "b\\x07\\x7f");
	expect("\xc2\x9b"
		   "31m",
		   "\\xc2\\x9b"
		   "31m"); /* CSI as UTF-8 */
	expect("\x9b"
		   "31m",
		   "\\x9b"
		   "31m");                             /* CSI of 8 bits */
	expect("\xc0\x9b", "\\xc0\\x9b");          /* ESC, too long */
	expect("\xe2\x80\xae", "\\xe2\\x80\\xae"); /* right to left */
	expect("\xed\xa0\x80\xff", "\\xed\\xa0\\x80\\xff");
	expect("caf\xe9", "caf\\xe9");
}

static void assert_printable(const struct reef_text *t) {
	for (size_t i = 0; i < t->size; i++) {
		unsigned char c = (unsigned char)t->data[i], next = i + 1 < t->size ? (unsigned char)t->data[i + 1] : 0;
		assert_true(c >= 0x20 || c == '\n' || c == '\t');
		assert_true(c != 0x7f && c != 0xc0 && c != 0xc1 && c < 0xf5);
		assert_false(c == 0xc2 && next >= 0x80 && next < 0xa0);
	}
	struct reef_text again = {0};
	reef_text_add_printable(&again, t->data, t->size);
	assert_int_equal(again.size, t->size);
	reef_text_free(&again);
}

static void whatever_comes_in_what_comes_out_is_printable(void **state) {
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		char text[64];
		size_t size = below(sizeof text);
		for (size_t i = 0; i < size; i++)
			text[i] = (char)(below(3) ? "\x1b\xc2\x9b\xe2\x80\xa8\xae\r\n:/@=p"[below(13)] : (int)below(256));
		struct reef_text t = cleaned(text, size);
		assert_printable(&t);
		reef_text_free(&t);
	}
}

/* ---- passwords ---- */

static void a_password_of_any_shape_is_hidden(void **state) {
	(void)state;
	static const char *const shapes[] = {
			"redis://:%s@h",
			"redis://:%s@h:6379/0",
			"redis://user:%s@h",
			"redis://%s@h",
			"redis://:%s/x@h",
			"redis://:x/%s@h",
			"redis://user:p@%s@h",
			"redis://user:%s@x@h",
			"redis://:x?%s@h",
			"redis://:x#%s@h",
			"redis://:%s",
			"redis://u:%s",
			"redis://u:%s/0",
			"redis://:a %s@h",
			"redis://u:%s and more@h",
			"redis://h:1,u:%s",
			"redis://h?password=%s",
			"redis://h/0?timeout=1&auth=%s",
			"redis://h?auth=a@%s",
			"redis://h?password=%s@h",
			"redis://h?Password=%s&x=1",
			"redis://h?password%%3D%s",
			"redis://[::1]:%s",
			"rediss://:'%s@h",
			"redis://:\"%s@h",
			"unix://:%s@/tmp/x",
			"unix:///tmp/x?auth=%s",
			"unix://:%s/tmp/x",
			"mongodb://u:%s@a:1,b:2,c/db?x=y",
			"mongodb+srv://u:%s@h/",
			"mongodb://a:1,b:%s/db",
			"mongodb://u:p%%40%s@h",
			"mongodb://h/?tlsCertificateKeyFilePassword=%s",
			"password = \"%s\"",
			"password=%s",
			"{\"password\":\"%s\"}",
			"['password'] = '%s'",
			"password:%s\tuser:x",
			"unknown command 'AUTH', with args beginning with: 'u' '%s' ",
			"auth:%s\tdb:0",
			"auth = '%s'",
			"requirepass: %s",
			"PROXYPASSWORD=%s",
			"password = \"a\\\"%s\"",
			"redis://u:12%s@h",
			"redis://h:6379%s",
			"tcp://:%s@h call [a to b] failed",
	};
	static const char *const around[][2] = {
			{"", ""},
			{"cannot connect to ", ": refused"},
			{"'", "'"},
			{"(", ")"},
			{"x\n", "\ny"},
			{"a://b ", " c://d"},
			{"[string \"connect('", "')\"]:1: bad"},
			{"k=v&", ""},
			{"redis://a:1 redis://:b@c ", ""},
	};
	for (size_t i = 0; i < sizeof shapes / sizeof shapes[0]; i++) {
		for (size_t k = 0; k < sizeof around / sizeof around[0]; k++) {
			char uri[256], text[512];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
			snprintf(uri, sizeof uri, shapes[i], SECRET);
#pragma GCC diagnostic pop
			snprintf(text, sizeof text, "%s%s%s", around[k][0], uri, around[k][1]);
			struct reef_text t = cleaned(text, strlen(text));
			if (contains(&t, SECRET))
				fail_msg("%s -> %.*s", text, (int)t.size, t.data);
			reef_text_free(&t);
		}
	}
}

/* Any characters but white space, before an @, in a URI. */
static void any_password_before_a_host_is_hidden(void **state) {
	(void)state;
	for (int round = 0; round < ROUNDS; round++) {
		char text[128] = "at redis://";
		size_t size = strlen(text);
		text[size++] = ':';
		for (unsigned left = below(6); left > 0; left--)
			text[size++] = (char)(0x21 + below(0x5e));
		memcpy(text + size, SECRET, sizeof SECRET);
		size += sizeof SECRET - 1;
		for (unsigned left = below(6); left > 0; left--)
			text[size++] = (char)(0x21 + below(0x5e));
		memcpy(text + size, "@host:6379/0", 13);
		struct reef_text t = cleaned(text, strlen(text));
		if (contains(&t, SECRET) || !contains(&t, "at redis://"))
			fail_msg("%s -> %.*s", text, (int)t.size, t.data);
		reef_text_free(&t);
	}
}

/* Texts made to be looked through again and again. */
static void a_long_text_takes_its_length(void **state) {
	(void)state;
	static const char *const pieces[] = {"://",           "://[", "://a ",     "a://:b ", "://u:p",
										 "&password=://", "=",    "password=", ":@",      "://:x\t@"};
	for (size_t i = 0; i < sizeof pieces / sizeof pieces[0]; i++) {
		struct reef_text text = {0};
		while (text.size < 4 << 20)
			reef_text_add(&text, pieces[i], strlen(pieces[i]));
		struct reef_text t = cleaned(text.data, text.size);
		assert_true(t.size > 0);
		reef_text_free(&t);
		reef_text_free(&text);
	}
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(ordinary_text_stays_as_it_is),
			cmocka_unit_test(a_control_character_is_shown_by_its_bytes),
			cmocka_unit_test(whatever_comes_in_what_comes_out_is_printable),
			cmocka_unit_test(a_password_of_any_shape_is_hidden),
			cmocka_unit_test(any_password_before_a_host_is_hidden),
			cmocka_unit_test(a_long_text_takes_its_length),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
