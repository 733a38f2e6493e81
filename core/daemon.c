/* Daemon mode: see daemon.h. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

static bool same_file(int fd, const char *path) {
	struct stat open_file, named;
	return fstat(fd, &open_file) == 0 && stat(path, &named) == 0 && open_file.st_dev == named.st_dev &&
		   open_file.st_ino == named.st_ino;
}

static int written_pid(int fd) {
	char text[32] = "";
	ssize_t n = pread(fd, text, sizeof text - 1, 0);
	return n > 0 ? atoi(text) : 0;
}

/* The lock, not the number in the file, tells whether a process lives: numbers are used again, and an ended process
 * keeps its number until its parent asks for it. Children inherit the lock; it is held until the last of them ends. */
static int lock_pid_file(const char *pid_file) {
	for (;;) {
		int fd = open(pid_file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
		if (fd < 0) {
			fprintf(stderr, "reef: cannot create the pid file %s: %s\n", pid_file, strerror(errno));
			return -1;
		}
		if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
			fprintf(stderr, "reef: already running, pid = %d (%s)\n", written_pid(fd), pid_file);
			close(fd);
			return -1;
		}
		if (same_file(fd, pid_file))
			return fd;
		close(fd); /* a process that has just ended took the file away between open and lock */
	}
}

static bool write_pid(int fd, const char *pid_file) {
	if (ftruncate(fd, 0) == 0 && dprintf(fd, "%d\n", getpid()) > 0)
		return true;
	fprintf(stderr, "reef: cannot write the pid file %s: %s\n", pid_file, strerror(errno));
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

bool reef_daemon_start(const char *pid_file) {
	int fd = lock_pid_file(pid_file);
	if (fd < 0)
		return false;
	if (daemon(1, 1) != 0) {
		fprintf(stderr, "reef: cannot go to the background: %s\n", strerror(errno));
		close(fd);
		return false;
	}
	return write_pid(fd, pid_file) && close_streams();
}

void reef_daemon_end(const char *pid_file) {
	unlink(pid_file);
}
