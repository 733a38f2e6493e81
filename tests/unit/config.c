/* Configuration files. */
#include "engine.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/env.h"
#include "core/host/config.h"

static char directory[] = "/tmp/reef-config-XXXXXX";

static const char *path_of(const char *name) {
	static char path[256];
	snprintf(path, sizeof path, "%s/%s", directory, name);
	return path;
}

static const char *file(const char *name, const char *text) {
	FILE *f = fopen(path_of(name), "w");
	assert_non_null(f);
	fputs(text, f);
	fclose(f);
	return path_of(name);
}

static void values_become_strings(void **state) {
	(void)state;
	assert_true(
			reef_config_load(file("a", "a_text = 'x'\na_number = 8\na_float = 1.5\na_flag = true\na_none = nil\n")));
	assert_string_equal(reef_env_get("a_text"), "x");
	assert_string_equal(reef_env_get("a_number"), "8");
	assert_string_equal(reef_env_get("a_float"), "1.5");
	assert_string_equal(reef_env_get("a_flag"), "true");
	assert_null(reef_env_get("a_none"));
}

static void variables_are_expanded_anywhere(void **state) {
	(void)state;
	setenv("REEF_TEST_WORD", "shell", 1);
	assert_true(reef_config_load(file("b", "b_$REEF_TEST_WORD = \"in-$REEF_TEST_WORD-s\" -- $REEF_TEST_WORD\n")));
	assert_string_equal(reef_env_get("b_shell"), "in-shell-s");
}

static void an_unset_variable_is_an_error(void **state) {
	(void)state;
	unsetenv("REEF_TEST_UNSET");
	assert_false(reef_config_load(file("c", "c = '$REEF_TEST_UNSET'\n")));
	assert_false(reef_config_load(file("c2", "c = 'costs 5$'\n")));
}

static void includes_are_relative_to_their_file(void **state) {
	(void)state;
	mkdir(path_of("sub"), 0755);
	file("sub/one", "d_one = 1\ninclude 'two'\nd_after = d_one + d_two\n");
	file("sub/two", "d_two = 2\n");
	assert_true(reef_config_load(file("d", "d_zero = 0\ninclude 'sub/one'\nd_sum = d_one + d_two\n")));
	assert_string_equal(reef_env_get("d_sum"), "3");
	assert_string_equal(reef_env_get("d_after"), "3");
	assert_null(reef_env_get("include"));
}

static void what_is_no_setting_is_refused(void **state) {
	(void)state;
	assert_false(reef_config_load(file("e1", "e = {}\n")));
	assert_false(reef_config_load(file("e2", "e = = 1\n")));
	assert_false(reef_config_load(file("e3", "e = os.time()\n")));
	assert_false(reef_config_load(path_of("missing")));
	assert_false(reef_config_load(file("e4", "include 'missing'\n")));
}

static void entries_are_written_once(void **state) {
	(void)state;
	assert_true(reef_env_set("once", "1"));
	assert_false(reef_env_set("once", "2"));
	assert_string_equal(reef_env_get("once"), "1");
	assert_int_equal(reef_env_int("once", 5), 1);
	assert_int_equal(reef_env_int("never", 5), 5);
	assert_true(reef_env_set("word", "12x"));
	assert_int_equal(reef_env_int("word", 5), 5);
}

static int setup(void **state) {
	(void)state;
	return mkdtemp(directory) ? 0 : 1;
}

static int teardown(void **state) {
	(void)state;
	static const char *const names[] = {"a", "b", "c", "c2", "sub/one", "sub/two", "d", "e1", "e2", "e3", "e4"};
	for (size_t i = 0; i < sizeof names / sizeof names[0]; i++)
		unlink(path_of(names[i]));
	rmdir(path_of("sub"));
	return rmdir(directory);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(values_become_strings),         cmocka_unit_test(variables_are_expanded_anywhere),
			cmocka_unit_test(an_unset_variable_is_an_error), cmocka_unit_test(includes_are_relative_to_their_file),
			cmocka_unit_test(what_is_no_setting_is_refused), cmocka_unit_test(entries_are_written_once),
	};
	return cmocka_run_group_tests(tests, setup, teardown);
}
