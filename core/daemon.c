/* Daemon mode: see daemon.h. */
#include "daemon.h"
#include "clean.h"
#include "clock.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define NS_PER_MS UINT64_C(1000000)
#define PATIENCE_MS 1000 /* for other instances that start or end in the same directory at this moment */

static struct {
	int directory; /* where the file lies: the process may leave the directory that the path is relative to */
	int file;      /* keeps the lock */
	char name[NAME_MAX + 1];
	atomic_int told; /* pipe to the parent, which waits for the start */
} held = {.directory = -1, .file = -1, .told = -1};

/* The lock, not the number in the file, tells whether a process lives: numbers are used again, and an ended process
 * keeps its number until its parent asks for it. Children inherit the lock; it is held until the last of them ends. */

static bool is_named(int fd, int directory, const char *name) {
	struct stat open_file, named;
	return fstat(fd, &open_file) == 0 && fstatat(directory, name, &named, 0) == 0 && open_file.st_dev == named.st_dev &&
		   open_file.st_ino == named.st_ino;
}

/* Between the look at a file and its removal nobody else may make one of that name: whoever starts or ends holds the
 * directory's lock meanwhile. On a file system without such locks it goes without. */
static void lock_directory(int directory) {
	for (int ms = 0; ms < PATIENCE_MS && flock(directory, LOCK_EX | LOCK_NB) != 0 && errno == EWOULDBLOCK; ms++)
		nanosleep(&(struct timespec){.tv_nsec = 1000000}, NULL);
}

static bool open_directory(const char *pid_file) {
	const char *slash = strrchr(pid_file, '/'), *name = slash ? slash + 1 : pid_file;
	char path[PATH_MAX] = ".";
	if (slash && (size_t)(name - pid_file) < sizeof path)
		snprintf(path, sizeof path, "%.*s", (int)(name - pid_file), pid_file);
	if (*name == '\0' || strlen(name) >= sizeof held.name || strlen(pid_file) >= sizeof path) {
		reef_clean_complain("%s is no name for a pid file", pid_file);
		return false;
	}
	memcpy(held.name, name, strlen(name) + 1);
	held.directory = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (held.directory < 0)
		reef_clean_complain("cannot create the pid file %s: %s", pid_file, strerror(errno));
	return held.directory >= 0;
}

static int written_pid(int fd) {
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	return n > 0 ? atoi(text) : 0;
}

static bool lock_pid_file(const char *pid_file) {
	for (;;) {
		int fd = openat(held.directory, held.name, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0) {
			reef_clean_complain("cannot create the pid file %s: %s", pid_file, strerror(errno));
			return false;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			if (errno == EWOULDBLOCK)
				reef_clean_complain("already running, pid = %d (%s)", written_pid(fd), pid_file);
			else
				reef_clean_complain("cannot lock the pid file %s: %s", pid_file, strerror(errno));
			close(fd);
			return false;
		}
		if (is_named(fd, held.directory, held.name)) {
			held.file = fd;
			return true;
		}
		close(fd); /* somebody took the file away between open and lock */
	}
}

static bool write_pid(int fd, const char *pid_file) {
	if (ftruncate(fd, 0) == 0 && dprintf(fd, "%d\n", getpid()) > 0)
		return true;
	reef_clean_complain("cannot write the pid file %s: %s", pid_file, strerror(errno));
	return false;
}

static bool to_null(const int *streams, int n) {
	int null = open("/dev/null", O_RDWR);
	if (null < 0)
		return false;
	for (int i = 0; i < n; i++)
		dup2(null, streams[i]);
	if (null > STDERR_FILENO)
		close(null);
	return true;
}

static void let_go_of_pid_file(void) {
	if (held.file >= 0)
		close(held.file);
	if (held.directory >= 0)
		close(held.directory);
	held.file = held.directory = -1;
}

/* ---- the parent ---- */

/* Whoever started us reads the pid file as soon as we have ended, and our exit code. So the parent stays until the child
 * has written a byte when the file is there, and another when it has started; what the child says on stderr until then it
 * passes on. */
struct watch {
	pid_t child;
	int told, said; /* pipes from the child: bytes, and its stderr */
	int bytes;      /* that were told */
};

static void pass_on(const struct watch *watch) {
	char text[4096];
	ssize_t n;
	while ((n = read(watch->said, text, sizeof text)) > 0)
		if (write(STDERR_FILENO, text, (size_t)n) < 0)
			return;
}

/* Until `wanted` bytes were told. False: the child has ended, or `ms` have passed; -1: any time. */
static bool watch_until(struct watch *watch, int wanted, int ms) {
	uint64_t deadline = reef_now_ns() + (uint64_t)(ms > 0 ? ms : 0) * NS_PER_MS;
	while (watch->bytes < wanted) {
		uint64_t now = reef_now_ns();
		if (ms >= 0 && now >= deadline)
			return false;
		struct pollfd fds[] = {{.fd = watch->told, .events = POLLIN}, {.fd = watch->said, .events = POLLIN}};
		poll(fds, 2, ms < 0 ? -1 : (int)((deadline - now) / NS_PER_MS + 1));
		pass_on(watch);
		if (fds[1].revents & POLLHUP) { /* it has closed its stderr */
			close(watch->said);
			watch->said = -1;
		}
		char byte;
		ssize_t n = fds[0].revents ? read(watch->told, &byte, 1) : -1;
		if (n == 0)
			return false;
		watch->bytes += n > 0;
	}
	return true;
}

/* The exit code of a child that has ended, as a shell has it. */
static int code_of(pid_t child) {
	int status;
	while (waitpid(child, &status, 0) < 0)
		if (errno != EINTR)
			return 1;
	return WIFEXITED(status) ? WEXITSTATUS(status) : 128 + WTERMSIG(status);
}

static _Noreturn void watch_child(struct watch *watch, long patience_cs) {
	int ms = patience_cs > INT_MAX / 10 ? INT_MAX : (int)patience_cs * 10;
	bool started = watch_until(watch, 1, -1) && (ms == 0 || watch_until(watch, 2, ms));
	/* Nothing to read and no end: the time is over. */
	struct pollfd ended = {.fd = watch->told, .events = POLLIN};
	bool waits = !started && poll(&ended, 1, 0) == 0;
	int code = started || waits ? 0 : code_of(watch->child);
	pass_on(watch);
	if (waits)
		dprintf(STDERR_FILENO, "reef: has not started within %.2f s, and goes on in the background (daemon_timeout)\n",
				(double)patience_cs / 100);
	_exit(code);
}

/* ---- the child ---- */

static bool open_pipes(int told[2], int said[2]) {
	if (pipe2(told, O_CLOEXEC) != 0)
		return false;
	if (pipe2(said, O_CLOEXEC) == 0) {
		fcntl(said[0], F_SETFL, O_NONBLOCK);
		return true;
	}
	close(told[0]);
	close(told[1]);
	return false;
}

/* Goes on in a child of its own session. */
static bool go_to_background(long patience_cs) {
	int told[2], said[2];
	if (!open_pipes(told, said))
		return false;
	pid_t child = fork();
	int mine = child > 0 ? 0 : 1;
	if (child >= 0) {
		close(told[!mine]);
		close(said[!mine]);
	}
	if (child > 0)
		watch_child(&(struct watch){.child = child, .told = told[0], .said = said[0]}, patience_cs);
	if (child < 0) {
		for (int i = 0; i < 2; i++) {
			close(told[i]);
			close(said[i]);
		}
		return false;
	}
	setsid();
	dup2(said[1], STDERR_FILENO);
	close(said[1]);
	atomic_store(&held.told, told[1]);
	return true;
}

bool reef_daemon_start(const char *pid_file, long patience_cs) {
	if (!open_directory(pid_file))
		return false;
	lock_directory(held.directory);
	bool locked = lock_pid_file(pid_file);
	flock(held.directory, LOCK_UN);
	if (!locked) {
		let_go_of_pid_file();
		return false;
	}
	if (!go_to_background(patience_cs)) {
		reef_clean_complain("cannot go to the background: %s", strerror(errno));
		reef_daemon_end();
		return false;
	}
	static const int streams[] = {STDIN_FILENO, STDOUT_FILENO};
	bool ok = write_pid(held.file, pid_file) && to_null(streams, 2) && write(atomic_load(&held.told), "", 1) == 1;
	if (!ok)
		reef_daemon_end();
	return ok;
}

void reef_daemon_started(void) {
	static const int streams[] = {STDERR_FILENO};
	int told = atomic_exchange(&held.told, -1);
	if (told < 0)
		return;
	to_null(streams, 1);
	(void)!write(told, "", 1);
	close(told);
}

void reef_daemon_end(void) {
	if (held.file < 0)
		return;
	lock_directory(held.directory);
	if (is_named(held.file, held.directory, held.name))
		unlinkat(held.directory, held.name, 0);
	let_go_of_pid_file();
}
