/* Signals: see signals.h. The pipe belongs to the process and is never closed: a handler may be writing. */
#include "signals.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdatomic.h>
#include <string.h>
#include <unistd.h>

#include "clock.h"

#define NS_PER_MS 1000000u

static int read_fd = -1;
static atomic_int write_fd = -1;
static pid_t owner;

static void put_byte(char byte) {
	int fd = atomic_load(&write_fd);
	if (fd >= 0 && write(fd, &byte, 1) < 0)
		return; /* full: there is enough to wake up for */
}

static void on_signal(int number) {
	int error = errno;
	if (atomic_load(&write_fd) < 0)
		_exit(128 + number);
	/* A child shares the pipe between fork and exec. */
	if (getpid() == owner)
		put_byte((char)number);
	errno = error;
}

static void do_nothing(int number) {
	(void)number;
}

static void set_handler(int number, void (*handler)(int)) {
	struct sigaction action = {.sa_handler = handler, .sa_flags = SA_RESTART};
	sigemptyset(&action.sa_mask);
	sigaction(number, &action, NULL);
}

void reef_signals_init(void) {
	set_handler(SIGHUP, on_signal);
	set_handler(SIGINT, on_signal);
	set_handler(SIGTERM, on_signal);
	/* Whoever started us may have had them blocked. */
	sigset_t set;
	sigemptyset(&set);
	sigaddset(&set, SIGHUP);
	sigaddset(&set, SIGINT);
	sigaddset(&set, SIGTERM);
	pthread_sigmask(SIG_UNBLOCK, &set, NULL);
}

bool reef_signals_catch(void) {
	int fds[2];
	if (pipe2(fds, O_CLOEXEC | O_NONBLOCK) != 0)
		return false;
	owner = getpid();
	read_fd = fds[0];
	atomic_store(&write_fd, fds[1]);
	reef_signals_init();
	set_handler(SIGPIPE, do_nothing);
	return true;
}

int reef_signals_wait(uint64_t deadline_ns) {
	for (;;) {
		char byte = 0;
		if (read(read_fd, &byte, 1) == 1)
			return byte;
		uint64_t now = reef_now_ns();
		if (now >= deadline_ns)
			return 0;
		uint64_t ms = (deadline_ns - now) / NS_PER_MS + 1;
		struct pollfd p = {.fd = read_fd, .events = POLLIN};
		poll(&p, 1, deadline_ns == UINT64_MAX ? -1 : ms > 60000 ? 60000 : (int)ms);
	}
}

void reef_signals_wake(void) {
	put_byte(0);
}
