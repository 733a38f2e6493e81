/* See command.h. What a run does may depend on addresses, since tables are hashed by them. So this process is begun anew
 * with the randomisation of addresses switched off, and between its children it allocates nothing. What it says goes
 * through a buffer of its own. */
#include "command.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/personality.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/clean.h"
#include "core/sim.h"
#include "limit.h"
#include "options.h"

#define USAGE_ERROR 2
#define SHRINK_RUNS 1000
#define NOT_STARTED 127

static struct reef_sim_command command;
static struct reef_sim_result *results; /* one for each job, shared with the run that it is */
static struct reef_sim_result *result;  /* of the last run that was alone */
static int (*start)(const struct reef_sim_command *);

/* ---- one run ---- */

static _Noreturn void be_the_run(uint64_t seed, const uint8_t *left_out, bool shown, struct reef_sim_result *to) {
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!shown && (freopen("/dev/null", "w", stdout) == NULL || freopen("/dev/null", "w", stderr) == NULL))
		_exit(NOT_STARTED);
	reef_sim_limit(command.limit);
	reef_alloc_do_alike();
	reef_sim_begin(
			&(struct reef_sim_options){.seed = seed, .until_ns = command.until_ns, .left_out = left_out, .result = to});
	exit(start(&command));
}

static pid_t begin_run(uint64_t seed, const uint8_t *left_out, bool shown, struct reef_sim_result *to) {
	*to = (struct reef_sim_result){.outcome = REEF_SIM_RUNS};
	fflush(stdout);
	pid_t child = fork();
	if (child == 0)
		be_the_run(seed, left_out, shown, to);
	if (child < 0) {
		perror("reef sim: fork");
		exit(1);
	}
	return child;
}

/* It did not come to its end: what is known of that. */
static void explain(int status, struct reef_sim_result *of) {
	of->outcome = REEF_SIM_FAILED;
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGALRM)
		snprintf(of->why, sizeof of->why, "it did not end within %u s of real time (--limit), and runs no Lua",
				 command.limit);
	else if (WIFSIGNALED(status))
		snprintf(of->why, sizeof of->why, "SIG%s ended it", sigabbrev_np(WTERMSIG(status)));
	else
		snprintf(of->why, sizeof of->why, "it ended with exit code %d", WEXITSTATUS(status));
}

/* Of a run that is over. */
static bool has_passed(int status, struct reef_sim_result *of) {
	if (of->outcome == REEF_SIM_RUNS)
		explain(status, of);
	return of->outcome == REEF_SIM_PASSED;
}

/* The result is in `result`. False: it did not pass. */
static bool run(uint64_t seed, const uint8_t *left_out, bool shown) {
	int status = 0;
	pid_t child = begin_run(seed, left_out, shown, result);
	waitpid(child, &status, 0);
	return has_passed(status, result);
}

/* ---- what is said ---- */

static void say_result(uint64_t seed) {
	static const char *const words[] = {[REEF_SIM_PASSED] = "passed",
										[REEF_SIM_FAILED] = "FAILED",
										[REEF_SIM_REFUSED] = "was refused",
										[REEF_SIM_RUNS] = "?"};
	printf("sim: seed %llu %s after %.6f s, %llu messages, %llu lines, %u faults, fingerprint %016llx%s%s\n",
		   (unsigned long long)seed, words[result->outcome], (double)result->time_ns / 1e9,
		   (unsigned long long)result->messages, (unsigned long long)result->lines, result->faults,
		   (unsigned long long)result->fingerprint, *result->why ? ": " : "", result->why);
}

static bool is_left_out(const uint8_t *bits, unsigned i) {
	return bits[i / 8] >> i % 8 & 1;
}

static void say_list(const uint8_t *bits) {
	const char *before = " --without ";
	for (unsigned i = 0; i < REEF_SIM_FAULTS; i++) {
		if (!is_left_out(bits, i))
			continue;
		unsigned last = i;
		while (last + 1 < REEF_SIM_FAULTS && is_left_out(bits, last + 1))
			last++;
		printf(last > i ? "%s%u-%u" : "%s%u", before, i, last);
		before = ",";
		i = last;
	}
}

static void say_word(const char *word) {
	bool plain = *word &&
				 word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-./:=@%+,")] == '\0';
	if (plain) {
		printf(" %s", word);
		return;
	}
	printf(" '");
	for (; *word; word++)
		*word == '\'' ? (void)printf("'\\''") : (void)putchar(*word);
	putchar('\'');
}

static void say_again(uint64_t seed, const uint8_t *left_out) {
	printf(command.config ? "sim: again: reef sim --config" : "sim: again: reef sim");
	say_word(command.config ? command.config : command.script);
	printf(" --seed %llu --until %llus", (unsigned long long)seed,
		   (unsigned long long)(command.until_ns / 1000000000u));
	say_list(left_out);
	if (command.word_count > 0)
		printf(" --");
	for (int i = 0; i < command.word_count; i++)
		say_word(command.words[i]);
	putchar('\n');
}

/* ---- fewer faults ---- */

static unsigned count_happening(const uint8_t *left_out, unsigned faults) {
	unsigned n = 0;
	for (unsigned i = 1; i <= faults; i++)
		n += i >= REEF_SIM_FAULTS || !is_left_out(left_out, i);
	return n;
}

/* Leaves out half of them, a quarter at each place, and so on, as long as it fails all the same. */
static void shrink(uint64_t seed, uint8_t *left_out) {
	static uint8_t tried[REEF_SIM_FAULTS / 8];
	unsigned runs = 0, faults = result->faults, first = count_happening(left_out, faults);
	for (unsigned part = faults; part > 0; part /= 2) {
		for (unsigned from = 1; from <= faults && from < REEF_SIM_FAULTS && runs < SHRINK_RUNS; from += part) {
			bool news = false;
			memcpy(tried, left_out, sizeof tried);
			for (unsigned i = from; i < from + part && i < REEF_SIM_FAULTS; i++) {
				news |= !is_left_out(tried, i);
				tried[i / 8] |= (uint8_t)(1u << i % 8);
			}
			if (!news)
				continue;
			runs++;
			if (run(seed, tried, false) || result->outcome != REEF_SIM_FAILED)
				continue;
			memcpy(left_out, tried, sizeof tried);
			faults = result->faults;
		}
	}
	(void)run(seed, left_out, false);
	printf("sim: %u runs for fewer faults: %u instead of %u\n", runs, count_happening(left_out, result->faults), first);
}

/* ---- all of it ---- */

static int show_failure(uint64_t seed) {
	if (command.runs > 1)
		(void)run(seed, command.left_out, true);
	say_result(seed);
	if (command.shrink && result->outcome == REEF_SIM_FAILED)
		shrink(seed, command.left_out);
	say_again(seed, command.left_out);
	return 1;
}

/* Runs of several seeds at the same time; each is that of the seed with its number. */
static struct {
	pid_t pid; /* 0: none */
	uint64_t number;
} jobs[REEF_SIM_MOST_JOBS];

static unsigned find_job(pid_t pid) {
	unsigned i = 0;
	while (jobs[i].pid != pid)
		i++;
	return i;
}

/* Waits for one; *failed is the first number that has failed so far. */
static void end_job(uint64_t *failed) {
	int status = 0;
	pid_t pid = wait(&status);
	if (pid <= 0) {
		perror("reef sim: wait");
		exit(1);
	}
	unsigned i = find_job(pid);
	jobs[i].pid = 0;
	if (jobs[i].number < *failed && !has_passed(status, &results[i]))
		*failed = jobs[i].number;
}

/* The number of the first seed that fails, whichever is found first; that of all: none does. */
static uint64_t find_failure(void) {
	uint64_t next = 0, failed = command.runs;
	unsigned running = 0;
	while (next < failed || running > 0) {
		if (next < failed && running < command.jobs) {
			unsigned i = find_job(0);
			jobs[i].number = next;
			jobs[i].pid = begin_run(command.seed + next++, command.left_out, false, &results[i]);
			running++;
			continue;
		}
		/* What is behind one that has failed does not matter any more. */
		for (unsigned i = 0; i < command.jobs; i++)
			if (jobs[i].pid && jobs[i].number > failed)
				kill(jobs[i].pid, SIGKILL);
		end_job(&failed);
		running--;
	}
	return failed;
}

static int run_one(void) {
	if (!run(command.seed, command.left_out, true))
		return show_failure(command.seed);
	if (!command.quiet)
		say_result(command.seed);
	return 0;
}

static int run_all(void) {
	struct timespec begin, end;
	clock_gettime(CLOCK_MONOTONIC, &begin);
	uint64_t failed = find_failure();
	if (failed < command.runs)
		return show_failure(command.seed + failed);
	clock_gettime(CLOCK_MONOTONIC, &end);
	printf("sim: seeds %llu to %llu passed, in %.1f s\n", (unsigned long long)command.seed,
		   (unsigned long long)(command.seed + command.runs - 1),
		   (double)(end.tv_sec - begin.tv_sec) + (double)(end.tv_nsec - begin.tv_nsec) / 1e9);
	return 0;
}

/* Begins this process anew where addresses are the same each time; returns if they are, or cannot be. */
static void fix_addresses(char **argv) {
	int now = personality(0xffffffff);
	if (now < 0 || now & ADDR_NO_RANDOMIZE)
		return;
	if (personality((unsigned long)now | ADDR_NO_RANDOMIZE) >= 0 && personality(0xffffffff) & ADDR_NO_RANDOMIZE)
		execv("/proc/self/exe", argv);
	fputs("sim: the system does not let addresses be fixed: runs of a seed may differ in what depends on them, such as "
		  "the order of `pairs` over keys that are tables\n",
		  stderr);
}

int reef_sim_command(int argc, char **argv, int (*start_it)(const struct reef_sim_command *)) {
	static char buffer[BUFSIZ];
	fix_addresses(argv);
	setvbuf(stdout, buffer, _IOLBF, sizeof buffer);
	reef_clean_set_name("reef sim");
	if (!reef_sim_options_read(&command, argc - 2, argv + 2))
		return USAGE_ERROR;
	reef_clean_set_name("reef");
	if (command.help) {
		fputs(reef_sim_help, stdout);
		return 0;
	}
	size_t size = REEF_SIM_MOST_JOBS * sizeof *results;
	results = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (results == MAP_FAILED) {
		perror("reef sim: mmap");
		return 1;
	}
	result = results;
	start = start_it;
	return command.runs == 1 ? run_one() : run_all();
}
