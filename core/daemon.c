/* Daemon mode: see daemon.h. */
#include "daemon.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

static int running_pid(const char *pid_file) {
	FILE *file = fopen(pid_file, "r");
	int pid = 0;
	if (file == NULL)
		return 0;
	int n = fscanf(file, "%d", &pid);
	fclose(file);
	if (n != 1 || pid <= 0 || pid == getpid())
		return 0;
	return kill(pid, 0) == 0 || errno != ESRCH ? pid : 0;
}

/* The descriptor stays open, and so the lock held, until the process ends. */
static bool write_pid(const char *pid_file) {
	int fd = open(pid_file, O_RDWR | O_CREAT | O_CLOEXEC, 0644);
	if (fd < 0) {
		fprintf(stderr, "reef: cannot create the pid file %s: %s\n", pid_file, strerror(errno));
		return false;
	}
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		fprintf(stderr, "reef: the pid file %s is locked by another process\n", pid_file);
		close(fd);
		return false;
	}
	if (ftruncate(fd, 0) != 0 || dprintf(fd, "%d\n", getpid()) < 0) {
		fprintf(stderr, "reef: cannot write the pid file %s: %s\n", pid_file, strerror(errno));
		close(fd);
		return false;
	}
	return true;
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
	int pid = running_pid(pid_file);
	if (pid != 0) {
		fprintf(stderr, "reef: already running, pid = %d (%s)\n", pid, pid_file);
		return false;
	}
	if (daemon(1, 1) != 0) {
		fprintf(stderr, "reef: cannot go to the background: %s\n", strerror(errno));
		return false;
	}
	return write_pid(pid_file) && close_streams();
}

void reef_daemon_end(const char *pid_file) {
	unlink(pid_file);
}
