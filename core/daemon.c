/* Daemon mode: see daemon.h. */
#include "daemon.h"
#include "clean.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PATIENCE_MS 1000 /* for other instances that start or end in the same directory at this moment */

static struct {
	int directory; /* where the file lies: the process may leave the directory that the path is relative to */
	int file;      /* keeps the lock */
	char name[NAME_MAX + 1];
} held = {.directory = -1, .file = -1};

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

static bool close_streams(void) {
	int null = open("/dev/null", O_RDWR);
	if (null < 0)
		return false;
	for (int fd = 0; fd <= 2; fd++)
		dup2(null, fd);
	if (null > 2)
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

/* Goes on in a child of its own session. Whoever started us reads the pid file as soon as we have ended, so the parent
 * waits until the child has written it, which is when `*told` is closed with a byte in it. */
static bool go_to_background(int *told) {
	int fds[2];
	if (pipe2(fds, O_CLOEXEC) != 0)
		return false;
	pid_t child = fork();
	if (child < 0) {
		close(fds[0]);
		close(fds[1]);
		return false;
	}
	if (child > 0) {
		char byte;
		close(fds[1]);
		ssize_t n;
		do
			n = read(fds[0], &byte, 1);
		while (n < 0 && errno == EINTR);
		_exit(n == 1 ? 0 : 1);
	}
	close(fds[0]);
	setsid();
	*told = fds[1];
	return true;
}

bool reef_daemon_start(const char *pid_file) {
	if (!open_directory(pid_file))
		return false;
	lock_directory(held.directory);
	bool locked = lock_pid_file(pid_file);
	flock(held.directory, LOCK_UN);
	if (!locked) {
		let_go_of_pid_file();
		return false;
	}
	int told;
	if (!go_to_background(&told)) {
		reef_clean_complain("cannot go to the background: %s", strerror(errno));
		reef_daemon_end();
		return false;
	}
	bool ok = write_pid(held.file, pid_file) && close_streams() && write(told, "", 1) == 1;
	close(told);
	if (!ok)
		reef_daemon_end();
	return ok;
}

void reef_daemon_end(void) {
	if (held.file < 0)
		return;
	lock_directory(held.directory);
	if (is_named(held.file, held.directory, held.name))
		unlinkat(held.directory, held.name, 0);
	let_go_of_pid_file();
}
