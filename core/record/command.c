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
		"  --until SECONDS   stop so many seconds after the start of the record\n"
		"  --speed X         X times as fast as it was; without, as fast as it goes\n"
		"  --stop N          a prompt for Lua in the service, before its Nth message\n"
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
	reef_clean_complain("reef replay: %s takes a number above 0, not %s", option, text);
	return false;
}

static bool take_value(const char *option, const char *value) {
	double number;
	if (strcmp(option, "--with") == 0)
		options.with = value;
	else if (strcmp(option, "--lua_path") == 0)
		lua_path = value;
	else if (strcmp(option, "--folder") == 0)
		folder = value;
	else if (!read_number(option, value, &number))
		return false;
	else if (strcmp(option, "--until") == 0)
		options.until = number;
	else if (strcmp(option, "--speed") == 0)
		options.speed = number;
	else
		options.stop = (uint64_t)number;
	return true;
}

static bool has_value(const char *option) {
	static const char *const all[] = {"--with", "--lua_path", "--folder", "--until", "--speed", "--stop"};
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
		} else if (strcmp(word, "--quiet") == 0) {
			options.quiet = true;
		} else if (has_value(word)) {
			if (++i == argc) {
				reef_clean_complain("reef replay: %s takes a value", word);
				return false;
			}
			if (!take_value(word, argv[i]))
				return false;
		} else if (word[0] == '-' || options.file) {
			reef_clean_complain("reef replay: unexpected %s (see reef replay --help)", word);
			return false;
		} else {
			options.file = word;
		}
	}
	if (options.file == NULL)
		fputs("reef replay: which file? (see reef replay --help)\n", stderr);
	else if (options.with && access(options.with, R_OK) != 0)
		reef_clean_complain("reef replay: cannot read %s: %s", options.with, strerror(errno));
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
		reef_clean_complain("reef replay: cannot read %s: %s", options.file, strerror(errno));
		return false;
	}
	if (st.st_size > 0)
		file = mmap(NULL, (size_t)st.st_size, PROT_READ, MAP_PRIVATE, fd, 0);
	close(fd);
	if (file == MAP_FAILED) {
		reef_clean_complain("reef replay: cannot read %s: %s", options.file, strerror(errno));
		return false;
	}
	if (reef_record_reader_init(&reader, file, (size_t)st.st_size))
		return true;
	reef_clean_complain("reef replay: %s: %s", options.file, reader.error);
	return false;
}

static bool is_key(const struct reef_item *item, const char *key) {
	return item->size == strlen(key) && memcmp(item->bytes, key, item->size) == 0;
}

/* What is said of the process that the service ran in. */
static struct head {
	char arguments[REEF_RECORD_TEXT_MAX], folder[REEF_RECORD_TEXT_MAX], version[64];
	struct reef_clock_start start;
	uint64_t handle, seed;
} head;

static void take_head(const struct reef_item *item) {
	char value[REEF_RECORD_TEXT_MAX], key[64];
	size_t size = item->value_size < sizeof value ? item->value_size : sizeof value - 1;
	memcpy(value, item->value, size);
	value[size] = '\0';
	if (is_key(item, "arguments"))
		memcpy(head.arguments, value, size + 1);
	else if (is_key(item, "folder"))
		memcpy(head.folder, value, size + 1);
	else if (is_key(item, "version"))
		snprintf(head.version, sizeof head.version, "%.60s", value);
	else if (is_key(item, "handle"))
		head.handle = strtoull(value, NULL, 10);
	else if (is_key(item, "seed"))
		head.seed = strtoull(value, NULL, 10);
	else if (is_key(item, "start_ns"))
		head.start.ns = strtoull(value, NULL, 10);
	else if (is_key(item, "start_cs"))
		head.start.cs = strtoull(value, NULL, 10);
	else if (is_key(item, "grain_ns"))
		head.start.grain_ns = strtoull(value, NULL, 10);
	else if (is_key(item, "start_second"))
		head.start.second = (uint32_t)strtoull(value, NULL, 10);
	else if (item->size > 4 && item->size < sizeof key && memcmp(item->bytes, "env.", 4) == 0 && !show) {
		memcpy(key, item->bytes + 4, item->size - 4);
		key[item->size - 4] = '\0';
		if (!(lua_path && strcmp(key, "lua_path") == 0))
			reef_env_set(key, value);
		else {
			char all[REEF_RECORD_TEXT_MAX + MOST_ADDED];
			snprintf(all, sizeof all, "%s;%s", lua_path, value);
			reef_env_set(key, all);
		}
	}
}

static bool read_head(void) {
	struct reef_item item;
	while (reef_record_read(&reader, &item) && item.kind == REEF_ITEM_HEAD)
		take_head(&item);
	if (*reader.error == '\0' && item.kind == REEF_ITEM_READY && *head.arguments && head.handle > 0)
		return true;
	reef_clean_complain("reef replay: %s: %s", options.file,
						*reader.error ? reader.error : "the head of the record is not whole");
	return false;
}

static int show_record(void) {
	struct reef_item item;
	uint64_t messages = 0;
	printf("%s, handle :%08x, Reef %s\n", head.arguments, (uint32_t)head.handle, head.version);
	if (reader.lost)
		puts("what was before is lost: these are its last seconds");
	while (reef_record_read(&reader, &item)) {
		struct reef_text text = {0};
		messages += item.kind == REEF_ITEM_MESSAGE;
		reef_describe(&text, &item);
		printf("%10.3f %6llu %8zu  %.*s\n",
			   reader.time_ns ? (double)(reader.time_ns - (int64_t)head.start.ns) / 1e9 : 0.0,
			   (unsigned long long)messages, item.offset, (int)text.size, text.data ? text.data : "");
		reef_text_free(&text);
	}
	if (*reader.error == '\0')
		return 0;
	fflush(stdout);
	reef_clean_complain("reef replay: %s: %s", options.file, reader.error);
	return 1;
}

int reef_replay_command(int argc, char **argv, int (*start)(void)) {
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
		reef_clean_complain(
				"reef replay: %s has a service's last seconds and not its beginning: it can be shown (--show), "
				"but not replayed",
				options.file);
		return 1;
	}
	if (strcmp(head.version, REEF_VERSION) != 0)
		reef_clean_complain("reef replay: %s was made by Reef %s, this is %s: what its libraries do may differ",
							options.file, head.version, REEF_VERSION);
	char text[REEF_RECORD_TEXT_MAX + 16], with[REEF_RECORD_TEXT_MAX];
	if (options.with && realpath(options.with, with))
		options.with = with;
	if ((folder || *head.folder) && chdir(folder ? folder : head.folder) != 0 && folder) {
		reef_clean_complain("reef replay: cannot go to %s: %s", folder, strerror(errno));
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
	reef_seed_set((unsigned)head.seed);
	reef_clock_replay(&head.start);
	reef_replay_begin(&options, &reader, (int64_t)head.start.ns);
	return start();
}
