/* See recorded_stack.h. */
#include "recorded_stack.h"

#include <errno.h>
#include <fcntl.h>
#include <spawn.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include <lauxlib.h>

#include "core/text.h"
#include "replaying.h"

/* ---- in the process that looks ---- */

static int out = STDOUT_FILENO;

void reef_recorded_stack_begin(void) {
	int nowhere = open("/dev/null", O_RDWR | O_CLOEXEC);
	out = fcntl(STDOUT_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	dup2(nowhere, STDOUT_FILENO);
	dup2(nowhere, STDERR_FILENO);
	close(nowhere);
}

_Noreturn void reef_recorded_stack_show(void) {
	dprintf(out, "%s\n", reef_replay_stack());
	_exit(REEF_REPLAY_ENDED_WELL);
}

_Noreturn void reef_recorded_stack_fail(const char *why) {
	dprintf(out, "the replay does not get there: %s\n", why);
	_exit(REEF_REPLAY_ENDED_ILL);
}

/* ---- in the one that asks ---- */

static int start(const char *offset, pid_t *child, int *from) {
	char *const words[] = {"reef",
						   "replay",
						   (char *)(uintptr_t)reef_replaying.options.path,
						   "--stack",
						   (char *)(uintptr_t)offset,
						   "--folder",
						   ".",
						   NULL};
	int ends[2];
	if (pipe2(ends, O_CLOEXEC) != 0)
		return errno;
	posix_spawn_file_actions_t actions;
	posix_spawn_file_actions_init(&actions);
	posix_spawn_file_actions_addopen(&actions, STDIN_FILENO, "/dev/null", O_RDONLY, 0);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDOUT_FILENO);
	posix_spawn_file_actions_adddup2(&actions, ends[1], STDERR_FILENO);
	int failed = posix_spawn(child, "/proc/self/exe", &actions, NULL, words, environ);
	posix_spawn_file_actions_destroy(&actions);
	close(ends[1]);
	*from = ends[0];
	if (failed)
		close(ends[0]);
	return failed;
}

/* What it has written; false: it has not got there. */
static bool finish(pid_t child, int from, struct reef_text *text) {
	char part[4096];
	int status;
	ssize_t n;
	while ((n = read(from, part, sizeof part)) > 0 || (n < 0 && errno == EINTR))
		reef_text_add(text, part, n > 0 ? (size_t)n : 0);
	close(from);
	while (waitpid(child, &status, 0) < 0 && errno == EINTR) {
	}
	while (text->size > 0 && text->data[text->size - 1] == '\n')
		text->size--;
	return WIFEXITED(status) && WEXITSTATUS(status) == REEF_REPLAY_ENDED_WELL;
}

void reef_recorded_stack_say(size_t offset) {
	struct reef_text text = {0};
	char number[32];
	pid_t child;
	int from = -1;
	snprintf(number, sizeof number, "%zu", offset);
	int failed = start(number, &child, &from);
	if (failed) {
		reef_replay_say("  recorded: its stack cannot be shown: %s", strerrordesc_np(failed));
		return;
	}
	bool found = finish(child, from, &text);
	reef_replay_say("  recorded: %s%.*s", found ? "" : "its stack cannot be shown: ", (int)text.size,
					text.data ? text.data : "");
	reef_text_free(&text);
}
