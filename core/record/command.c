/* See command.h. */
#include "command.h"

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include "core/clean.h"
#include "core/clock.h"
#include "core/env.h"
#include "describe.h"
#include "format.h"
#include "head.h"
#include "recorded_stack.h"
#include "replay.h"
#include "sharetable/overlay/seed.h"

#define USAGE_ERROR 2
#define MOST_ADDED 4096 /* bytes of a path of the command line */

static const char help[] =
		"Usage: reef replay FILE [OPTION...]\n"
		"\n"
		"Runs the service whose record FILE is once more, from its start on and without anything around it: what it is "
		"sent\n"
		"and told comes from the record, and what it does is compared with it.\n"
		"\n"
		"  --with FILE       load FILE in the place of the file of that name: would the fix have helped?\n"
		"  --lua_path PATH   look for modules there first\n"
		"  --until TIME      stop that long after the start of the record: seconds, or as 5m, 2h\n"
		"  --speed X         X times as fast as it was; without, as fast as it goes\n"
		"  --stop N          a prompt for Lua in the service, before its Nth message\n"
		"  --recorded        run the code that is in the record; without, the files of the service as they are now, "
		"and what\n"
		"                    is not there from the record\n"
		"  --stack OFFSET    print the stack of what was at work where --show has that offset, and nothing else\n"
		"  --folder DIR      run there; without, in the folder where the process was started, if it is there\n"
		"  --show            print what is in the record, and run nothing\n"
		"  --quiet           say nothing when all is as recorded\n"
		"  --help            this text\n"
		"\n"
		"Exit code: 0 when all was as recorded, 1 when something was not, or when the record cannot be replayed; 2 for "
		"a\n"
		"command line that is wrong.\n";

static struct reef_replay_options options;
static struct reef_record_reader reader;
static const char *lua_path, *folder;
static bool show;

/* ---- the command line ---- */

static bool read_number(const char *option, const char *text, double *number) {
	char *end;
	*number = strtod(text, &end);
	if (*text && *end == '\0' && *number > 0 && *number < 1e15)
		return true;
	reef_clean_complain("%s takes a number above 0, not %s", option, text);
	return false;
}

static bool read_count(const char *option, const char *text, uint64_t *count) {
	char *end;
	errno = 0;
	*count = strtoull(text, &end, 10);
	if (*text >= '0' && *text <= '9' && *end == '\0' && errno == 0 && *count > 0)
		return true;
	reef_clean_complain("%s takes a whole number above 0, not %s", option, text);
	return false;
}

/* 90, 90s, 1.5m, 2h */
static bool read_seconds(const char *option, const char *text, double *seconds) {
	char *end;
	double number = strtod(text, &end), unit = *end == 'm' ? 60 : *end == 'h' ? 3600 : 1;
	bool known = *end == '\0' || (strchr("smh", *end) && end[1] == '\0');
	*seconds = number * unit;
	if (end != text && known && number > 0 && *seconds < 1e9)
		return true;
	reef_clean_complain("%s takes a time above 0, as 90, 1.5m or 2h, not %s", option, text);
	return false;
}

static bool take_value(const char *option, const char *value) {
	if (strcmp(option, "--until") == 0)
		return read_seconds(option, value, &options.until);
	if (strcmp(option, "--speed") == 0)
		return read_number(option, value, &options.speed);
	if (strcmp(option, "--stop") == 0)
		return read_count(option, value, &options.stop);
	if (strcmp(option, "--stack") == 0)
		return read_count(option, value, &options.stack);
	*(strcmp(option, "--with") == 0 ? &options.with : strcmp(option, "--folder") == 0 ? &folder : &lua_path) = value;
	return true;
}

static bool has_value(const char *option) {
	static const char *const all[] = {"--with", "--lua_path", "--folder", "--until", "--speed", "--stop", "--stack"};
	for (size_t i = 0; i < sizeof all / sizeof *all; i++)
		if (strcmp(option, all[i]) == 0)
			return true;
	return false;
}

static bool read_options(int argc, char **argv) {
	for (int i = 0; i < argc; i++) {
		const char *word = argv[i];
		if (strcmp(word, "--show") == 0) {
			show = true;
		} else if (strcmp(word, "--recorded") == 0) {
			options.recorded = true;
		} else if (strcmp(word, "--quiet") == 0) {
			options.quiet = true;
		} else if (has_value(word)) {
			if (++i == argc) {
				reef_clean_complain("%s takes a value", word);
				return false;
			}
			if (!take_value(word, argv[i]))
				return false;
		} else if (word[0] == '-') {
			reef_clean_complain("unknown option %s (see reef replay --help)", word);
			return false;
		} else if (options.file) {
			reef_clean_complain("unexpected %s (see reef replay --help)", word);
			return false;
		} else {
			options.file = word;
		}
	}
	if (options.file == NULL)
		reef_clean_complain("which file? (see reef replay --help)");
	else if (options.with && access(options.with, R_OK) != 0)
		reef_clean_complain("cannot read %s: %s", options.with, strerror(errno));
	else
		return true;
	return false;
}

/* ---- the record ---- */

static bool open_record(void) {
	struct stat st;
	int fd = open(options.file, O_RDONLY | O_CLOEXEC);
	const void *file = "";
	if (fd < 0 || fstat(fd, &st) != 0) {
		reef_clean_complain("cannot read %s: %s", options.file, strerror(errno));
		return false;
	}
	if (!S_ISREG(st.st_mode)) {
		reef_clean_complain("%s is no file that can be read twice", options.file);
		close(fd);
		return false;
	}
	if (st.st_size > 0)
		file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED) {
		reef_clean_complain("cannot read %s: %s", options.file, strerror(errno));
		return false;
	}
	if (reef_record_reader_init(&reader, file, (size_t)st.st_size))
		return true;
	reef_clean_complain("%s: %s", options.file, reader.error);
	return false;
}

static struct reef_record_head head;

static void take_setting(const char *key, const char *value) {
	char all[REEF_RECORD_TEXT_MAX + MOST_ADDED];
	bool added = lua_path && strcmp(key, "lua_path") == 0;
	snprintf(all, sizeof all, "%s%s%s", added ? lua_path : "", added ? ";" : "", value);
	reef_env_set(key, all);
}

static bool read_head(void) {
	const char *wrong = reef_record_read_head(&reader, &head, take_setting);
	if (wrong)
		reef_clean_complain("%s: %s", options.file, wrong);
	return wrong == NULL;
}

static int show_record(void) {
	struct reef_item item;
	uint64_t messages = 0;
	printf("%s, handle :%08x, Reef %s\n", head.arguments, (uint32_t)head.handle, head.version);
	if (reader.lost)
		puts("what was before is lost: these are its last seconds");
	while (reef_record_read(&reader, &item)) {
		struct reef_text text = {0};
		double seconds = reader.time_ns ? (double)(reader.time_ns - (int64_t)head.began_ns) / 1e9 : 0.0;
		if (options.until > 0 && seconds > options.until)
			return 0;
		messages += item.kind == REEF_ITEM_MESSAGE;
		reef_describe(&text, &item);
		printf("%10.3f %6llu %8zu  %.*s\n", seconds, (unsigned long long)messages, item.offset, (int)text.size,
			   text.data ? text.data : "");
		reef_text_free(&text);
	}
	if (*reader.error == '\0')
		return 0;
	fflush(stdout);
	reef_clean_complain("%s: %s", options.file, reader.error);
	return 1;
}

int reef_replay_command(int argc, char **argv, int (*start)(void)) {
	reef_clean_set_name("reef replay");
	for (int i = 2; i < argc; i++) {
		if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
			fputs(help, stdout);
			return 0;
		}
	}
	if (!read_options(argc - 2, argv + 2))
		return USAGE_ERROR;
	if (!open_record() || !read_head())
		return 1;
	if (show)
		return show_record();
	if (reader.lost) {
		reef_clean_complain("%s has a service's last seconds and not its beginning: it can be shown (--show), "
							"but not replayed",
							options.file);
		return 1;
	}
	if (strcmp(head.version, REEF_VERSION) != 0)
		reef_clean_complain("%s was made by Reef %s, this is %s: what its libraries do may differ", options.file,
							head.version, REEF_VERSION);
	char text[REEF_RECORD_TEXT_MAX + 16];
	options.with = options.with ? realpath(options.with, NULL) : NULL;
	options.path = realpath(options.file, NULL);
	if ((folder || *head.folder) && chdir(folder ? folder : head.folder) != 0 && folder) {
		reef_clean_complain("cannot go to %s: %s", folder, strerror(errno));
		return 1;
	}
	snprintf(text, sizeof text, "snlua %s", head.arguments);
	reef_env_set("bootstrap", text);
	snprintf(text, sizeof text, "%llu", (unsigned long long)head.handle);
	reef_env_set("reef_first_handle", text);
	reef_env_set("thread", "1");
	reef_env_set("harbor", "0");
	reef_env_set("logger", "");
	reef_env_set("reef_log_stream", "stderr");
	if (options.stack > 0) {
		options.recorded = true;
		options.with = NULL;
		reef_recorded_stack_begin();
	}
	reef_seed_set((unsigned)head.seed);
	reef_clock_replay(&head.start);
	reef_replay_begin(&options, &reader, (int64_t)head.began_ns);
	reef_clean_set_name("reef");
	return start();
}
