/* See options.h. */
#include "options.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "core/clean.h"

#define SECOND_NS UINT64_C(1000000000)
#define HOUR UINT64_C(3600)
#define LIMIT 60
#define LONGEST (HOUR * 24 * 365 * 100)

const char reef_sim_help[] =
		"Usage: reef sim SCRIPT [ARG...] [--seed N] [--runs K] [--jobs N] [--until TIME] [--shrink]\n"
		"                [--limit SECONDS] [--without LIST] [--quiet]\n"
		"       reef sim --config FILE [--seed N] ...\n"
		"\n"
		"Runs the Lua file SCRIPT as `reef run` does, in a simulation: one thread, a time of its own that jumps to the "
		"next\n"
		"timer when nobody has anything to do, a network in memory. Time, chance, the order of what services do, and "
		"the\n"
		"faults of the network are functions of the seed, so a run can be had again: the same seed has the same\n"
		"fingerprint. What a script may promise and ask for is in the module reef.sim.\n"
		"\n"
		"  --config FILE     run what the configuration FILE starts, as `reef FILE` does, in the place of a script\n"
		"  --seed N          the seed, or the first of several: 1 by default\n"
		"  --runs K          run with K seeds, N, N + 1 ..., until one fails; its run is shown, and the command that "
		"shows\n"
		"                    it again\n"
		"  --jobs N          so many runs at the same time: by default one for each processor\n"
		"  --until TIME      a run ends after that time of its own: 90s, 15m, 2h, 1d; 1h by default\n"
		"  --shrink          when a seed fails, look for fewer faults with which it still does\n"
		"  --without LIST    leave out the faults with these numbers, 3,7-12, which is what --shrink finds\n"
		"  --limit SECONDS   a run may take so much real time: 60 by default\n"
		"  --quiet, -q       print nothing of runs that pass, but one line at the end\n"
		"\n"
		"Exit code: 0 every run passed, 1 one has failed, 2 the command line is wrong.\n";

static unsigned processors(void) {
	long n = sysconf(_SC_NPROCESSORS_ONLN);
	return n < 1 ? 1 : n > REEF_SIM_MOST_JOBS ? REEF_SIM_MOST_JOBS : (unsigned)n;
}

static bool read_number(const char *text, uint64_t *n) {
	char *end;
	errno = 0;
	*n = strtoull(text, &end, 10);
	return isdigit((unsigned char)*text) && *end == '\0' && errno == 0;
}

static bool read_time(const char *text, uint64_t *ns) {
	static const struct {
		char unit;
		uint64_t seconds;
	} units[] = {{'\0', 1}, {'s', 1}, {'m', 60}, {'h', HOUR}, {'d', 24 * HOUR}};
	char *end;
	errno = 0;
	uint64_t n = strtoull(text, &end, 10);
	if (!isdigit((unsigned char)*text) || errno != 0 || (*end != '\0' && end[1] != '\0') || n == 0 || n > LONGEST)
		return false;
	for (size_t i = 0; i < sizeof units / sizeof units[0]; i++) {
		if (units[i].unit == *end) {
			*ns = n * units[i].seconds * SECOND_NS;
			return n * units[i].seconds <= LONGEST;
		}
	}
	return false;
}

/* 3,7-12 */
static bool read_list(const char *text, uint8_t *bits) {
	while (*text) {
		char *end;
		unsigned long first = strtoul(text, &end, 10), last = first;
		if (!isdigit((unsigned char)*text))
			return false;
		if (*end == '-' && isdigit((unsigned char)end[1]))
			last = strtoul(end + 1, &end, 10);
		if (last < first || last >= REEF_SIM_FAULTS || (*end != '\0' && *end != ','))
			return false;
		for (unsigned long i = first; i <= last; i++)
			bits[i / 8] |= (uint8_t)(1u << i % 8);
		if (*end == ',' && end[1] == '\0')
			return false;
		text = *end == ',' ? end + 1 : end;
	}
	return true;
}

/* An option with a value. False: the value is none. */
static bool read_value(struct reef_sim_command *command, const char *option, const char *value, bool *known) {
	uint64_t n;
	*known = true;
	if (strcmp(option, "--config") == 0)
		return *(command->config = value) != '\0';
	if (strcmp(option, "--seed") == 0)
		return read_number(value, &command->seed);
	if (strcmp(option, "--runs") == 0)
		return read_number(value, &command->runs) && command->runs > 0;
	if (strcmp(option, "--jobs") == 0) {
		bool good = read_number(value, &n) && n > 0 && n <= REEF_SIM_MOST_JOBS;
		command->jobs = good ? (unsigned)n : 0;
		return good;
	}
	if (strcmp(option, "--until") == 0)
		return read_time(value, &command->until_ns);
	if (strcmp(option, "--without") == 0)
		return read_list(value, command->left_out);
	if (strcmp(option, "--limit") == 0) {
		bool good = read_number(value, &n) && n > 0 && n <= UINT32_MAX;
		command->limit = good ? (unsigned)n : 0;
		return good;
	}
	*known = false;
	return false;
}

static bool read_option(struct reef_sim_command *command, const char *word, const char *value, bool *took) {
	*took = false;
	if (strcmp(word, "--shrink") == 0)
		return command->shrink = true;
	if (strcmp(word, "--quiet") == 0 || strcmp(word, "-q") == 0)
		return command->quiet = true;
	if (strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0)
		return command->help = true;
	bool good = read_value(command, word, value ? value : "", took);
	if (!*took) {
		reef_clean_complain("unknown option %s (see reef sim --help)", word);
		return false;
	}
	if (!good)
		reef_clean_complain(value ? "%s cannot be %s (see reef sim --help)" : "%s needs a value", word, value);
	return good;
}

static bool has_what_to_run(const struct reef_sim_command *command) {
	const char *path = command->script ? command->script : command->config;
	if (path == NULL) {
		reef_clean_complain("which script? (see reef sim --help)");
		return false;
	}
	if (command->script && command->config) {
		reef_clean_complain("either the script %s or the configuration %s", command->script, command->config);
		return false;
	}
	return reef_clean_can_run(path);
}

bool reef_sim_options_read(struct reef_sim_command *command, int argc, char **argv) {
	*command = (struct reef_sim_command){
			.seed = 1, .runs = 1, .jobs = processors(), .until_ns = HOUR * SECOND_NS, .limit = LIMIT, .words = argv};
	bool options = true;
	for (int i = 0; i < argc; i++) {
		bool took = false;
		if (options && strcmp(argv[i], "--") == 0)
			options = false;
		else if (options && argv[i][0] == '-' && argv[i][1] != '\0') {
			if (!read_option(command, argv[i], i + 1 < argc ? argv[i + 1] : NULL, &took))
				return false;
			i += took;
		} else if (command->script == NULL) {
			command->script = argv[i];
		} else {
			command->words[command->word_count++] = argv[i];
		}
	}
	if (command->help)
		return true;
	if (command->runs - 1 > UINT64_MAX - command->seed) {
		reef_clean_complain("there are no %llu seeds from %llu on: the last is %llu", (unsigned long long)command->runs,
							(unsigned long long)command->seed, (unsigned long long)UINT64_MAX);
		return false;
	}
	return has_what_to_run(command);
}
