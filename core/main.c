/* The command line of `reef`. What it does beyond starting services is done by scripts, lualib/command/NAME.lua. */
#include <fcntl.h>
#include <limits.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <lua.h>

#include "alloc.h"
#include "clean.h"
#include "clock.h"
#include "core/host/config.h"
#include "core/record/command.h"
#include "core/sim.h"
#include "core/sim/command.h"
#include "core/sim/options.h"
#include "daemon.h"
#include "env.h"
#include "log_writer.h"
#include "rooms.h"
#include "runtime.h"
#include "signals.h"
#include "text.h"

#define USAGE_ERROR 1
#define DAEMON_TIMEOUT_CS 1000
#define LOG_GRACE_NS UINT64_C(1000000000) /* to write what is left */

static const char help[] =
		"Usage: reef CONFIG              start from a configuration file\n"
		"       reef run SCRIPT [ARG...] start one script as the first service, without a configuration\n"
		"       reef check CONFIG        say what is wrong with a configuration file, and start nothing\n"
		"       reef check DIR           check a directory of configuration data (reef check --help)\n"
		"       reef doctor CONFIG       say what a project needs that is not there (reef doctor --help)\n"
		"       reef new NAME            make a project that runs\n"
		"       reef test [DIR|FILE...]  run the tests of a project\n"
		"       reef sim SCRIPT          run a script in a simulation: time, chance and network are a seed's\n"
		"       reef record ADDRESS NAME have services of a running process recorded (reef record --help)\n"
		"       reef replay FILE         run the service of a record again (reef replay --help)\n"
		"       reef top HOST:PORT       look at what goes on in a running process\n"
		"       reef attach ADDRESS      a console of a running process\n"
		"       reef profile HOST:PORT   say where a running process spends its time\n"
		"       reef repl [CONFIG]       a prompt for Lua inside a service\n"
		"       reef COMMAND --help      all about one of these\n"
		"       reef --help | --version\n"
		"\n"
		"`reef run` ends when the services that the script started have ended. The environment variable REEF_THREADS\n"
		"sets its number of worker threads (default: one for each processor). With REEF_METRICS, an address such as\n"
		"127.0.0.1:9464, the process answers HTTP there with what goes on inside.\n"
		"Exit code: 0 after an orderly end (also on SIGTERM and SIGINT), 1 when something failed to start, 3 when the\n"
		"end was not orderly: the log says which shutdown hook failed or what was cut off.\n";

static const char run_help[] = "Usage: reef run SCRIPT [ARG...]\n"
							   "\n"
							   "Starts the Lua file SCRIPT as the first service, without a configuration. Other "
							   "services and modules are looked\n"
							   "for beside it, log lines go to stderr, and the process ends when what the script "
							   "started has ended. What stands\n"
							   "behind SCRIPT is the script's: it finds it in `...`.\n"
							   "\n"
							   "REEF_THREADS=N sets the number of worker threads (default: one for each processor), "
							   "REEF_METRICS=HOST:PORT lets\n"
							   "the process answer HTTP there with what goes on inside.\n";

static char *join_words(int n, char **words) {
	size_t size = 1;
	for (int i = 0; i < n; i++)
		size += strlen(words[i]) + 1;
	char *text = reef_malloc(size), *end = text;
	for (int i = 0; i < n; i++)
		end += sprintf(end, "%s%s", i > 0 ? " " : "", words[i]);
	*end = '\0';
	return text;
}

static int start_process(void) {
	if (!reef_config_complete())
		return 1;
	const char *pid_file = reef_env_get("reef_prompt") || reef_sim_on ? NULL : reef_env_get("daemon");
	if (pid_file && !reef_daemon_start(pid_file, reef_env_int("daemon_timeout", DAEMON_TIMEOUT_CS)))
		return 1;
	int code = reef_runtime_run(reef_rooms);
	reef_log_writer_finish(reef_now_ns() + LOG_GRACE_NS);
	reef_daemon_end();
	return code;
}

/* Starts a script as the first service. */
static int run_script(const char *path) {
	reef_env_set("reef_run", path);
	const char *threads = getenv("REEF_THREADS");
	char count[16];
	snprintf(count, sizeof count, "%ld", sysconf(_SC_NPROCESSORS_ONLN));
	reef_env_set("thread", threads && *threads ? threads : count);
	return start_process();
}

/* What a configuration says comes first: a key that is set stays as it is. */
static void take_metrics_address(void) {
	const char *address = getenv("REEF_METRICS");
	if (address && *address)
		reef_env_set("metrics", address);
}

static bool is_help(const char *word) {
	return strcmp(word, "--help") == 0 || strcmp(word, "-h") == 0;
}

/* In a process that is a simulation. */
static int start_simulated(const struct reef_sim_command *command) {
	reef_env_set("thread", "1");
	if (command->config) {
		/* What is logged is shown. */
		reef_env_set("logger", "");
		reef_env_set("reef_log_stream", "stderr");
		return reef_config_load(command->config) ? start_process() : 1;
	}
	char *args = join_words(command->word_count, command->words);
	if (*args)
		reef_env_set("reef_run_args", args);
	reef_free(args);
	reef_env_set("reef_log_stream", "stderr");
	return run_script(command->script);
}

/* Is there a script that can be run? */
static bool is_script(int argc, char **argv) {
	reef_clean_set_name("reef run");
	if (argc < 1)
		reef_clean_complain("which script? (see reef run --help)");
	else if (argv[0][0] == '-')
		reef_clean_complain("unknown option %s (see reef run --help)", argv[0]);
	else if (reef_clean_can_run(argv[0])) {
		reef_clean_set_name("reef");
		return true;
	}
	return false;
}

static int command_run(int argc, char **argv) {
	if (argc > 0 && is_help(argv[0])) {
		fputs(run_help, stdout);
		return 0;
	}
	if (!is_script(argc, argv))
		return USAGE_ERROR;
	char *args = join_words(argc - 1, argv + 1);
	if (*args)
		reef_env_set("reef_run_args", args);
	reef_free(args);
	reef_env_set("reef_log_stream", "stderr");
	take_metrics_address();
	return run_script(argv[0]);
}

/* Writes the path of the script that is the command of that name: ours in lualib/command. False: there is none. */
static bool find_command(const char *name, char *path, size_t size) {
	char lualib[PATH_MAX];
	if (name[strspn(name, "abcdefghijklmnopqrstuvwxyz-")] != '\0' || !reef_config_lualib(lualib))
		return false;
	int n = snprintf(path, size, "%s/command/%s.lua", lualib, name);
	return n > 0 && (size_t)n < size && access(path, R_OK) == 0;
}

/* A command finds its arguments in reef_arg1, reef_arg2, ... Nothing but what it prints itself is shown, and nothing is
 * loaded from where it is called. */
static int run_command(const char *path, int argc, char **argv) {
	reef_env_set("cpath", "/dev/null/?");
	reef_env_set("lua_cpath", "/dev/null/?");
	for (int i = 0; i < argc; i++) {
		char key[32];
		snprintf(key, sizeof key, "reef_arg%d", i + 1);
		reef_env_set(key, argv[i]);
	}
	reef_env_set("logger", "/dev/null");
	return run_script(path);
}

/* reef repl [CONFIG]: what a configuration says of places counts; the rest is a server's. */
static int command_repl(int argc, char **argv) {
	char lualib[PATH_MAX], script[PATH_MAX + 64];
	bool config = argc > 0 && argv[0][0] != '-';
	if (argc > 1 || (argc > 0 && !config) || !reef_config_lualib(lualib))
		return find_command("repl", script, sizeof script) ? run_command(script, argc, argv) : USAGE_ERROR;
	reef_env_set("start", "reef_repl");
	reef_env_set("bootstrap", "snlua bootstrap");
	reef_env_set("logger", "");
	reef_env_set("logservice", "logger");
	reef_env_set("log_level", "info");
	reef_env_set("reef_log_stream", "stderr");
	reef_env_set("reef_prompt", "true");
	if (config && !reef_config_load(argv[0]))
		return 1;
	reef_env_set("luaservice", "./service/?.lua;./?.lua");
	reef_env_set("lua_path", "./lualib/?.lua;./lualib/?/init.lua;./?.lua;./?/init.lua");
	return start_process();
}

/* The command that a word may have been meant as, NULL: none is like it. */
static const char *command_meant(const char *word) {
	static const char *const commands[] = {"run",    "check",  "doctor", "new",    "test",    "sim",
										   "record", "replay", "top",    "attach", "profile", "repl"};
	for (size_t i = 0; i < sizeof commands / sizeof commands[0]; i++)
		if (reef_text_is_one_away(word, commands[i]))
			return commands[i];
	return NULL;
}

/* reef CONFIG */
static int start_from(const char *path, int argc, char **argv) {
	struct stat st;
	const char *meant = stat(path, &st) != 0 ? command_meant(path) : NULL;
	if (meant) {
		reef_clean_complain("there is neither a command nor a configuration file %s (did you mean reef %s?)", path,
							meant);
		return USAGE_ERROR;
	}
	char config[PATH_MAX];
	if (stat(path, &st) == 0 && S_ISDIR(st.st_mode) &&
		snprintf(config, sizeof config, "%s/config", path) < (int)sizeof config && access(config, R_OK) == 0) {
		reef_clean_complain("%s is a directory (did you mean cd %s && reef config?)", path, path);
		return USAGE_ERROR;
	}
	if (argc > 0) {
		reef_clean_complain("unexpected %s: a start takes a configuration file and nothing else (see reef --help)",
							argv[0]);
		return USAGE_ERROR;
	}
	if (!reef_config_load(path)) {
		const char *dot = strrchr(path, '.');
		if (dot && strcmp(dot, ".lua") == 0)
			reef_clean_complain("%s was read as a configuration; a script is started with reef run %s", path, path);
		return 1;
	}
	take_metrics_address();
	return start_process();
}

/* A closed stream would be the number of the next file that is opened, and what is printed would end up there. */
static void open_closed_streams(void) {
	int fd;
	do
		fd = open("/dev/null", O_RDWR);
	while (fd >= 0 && fd <= STDERR_FILENO);
	close(fd);
}

int main(int argc, char **argv) {
	open_closed_streams();
	reef_signals_init();
	if (argc < 2) {
		fputs(help, stderr);
		return USAGE_ERROR;
	}
	const char *word = argv[1];
	if (is_help(word) || (strcmp(word, "help") == 0 && access(word, F_OK) != 0)) {
		fputs(help, stdout);
		return 0;
	}
	if (strcmp(word, "--version") == 0 || strcmp(word, "-V") == 0) {
		printf("reef %s (%s)\n", REEF_VERSION, LUA_RELEASE);
		return 0;
	}
	if (strcmp(word, "sim") == 0)
		return reef_sim_command(argc, argv, start_simulated);
	if (strcmp(word, "replay") == 0)
		return reef_replay_command(argc, argv, start_process);
	if (strcmp(word, "run") == 0)
		return command_run(argc - 2, argv + 2);
	if (word[0] == '-') {
		reef_clean_complain("unknown option %s (see reef --help)", word);
		return USAGE_ERROR;
	}
	if (strcmp(word, "repl") == 0)
		return command_repl(argc - 2, argv + 2);
	char path[PATH_MAX + 64];
	if (find_command(word, path, sizeof path))
		return run_command(path, argc - 2, argv + 2);
	return start_from(word, argc - 2, argv + 2);
}
