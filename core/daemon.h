/* Daemon mode: the process goes to the background and keeps a locked pid file (configuration key `daemon`). */
#ifndef REEF_DAEMON_H
#define REEF_DAEMON_H

#include <stdbool.h>

/* Refuses (false, reason on stderr) while another process holds the pid file. Otherwise goes on in a child that keeps the
 * working directory, has the file locked and its streams on /dev/null. The parent stays until the child says that it has
 * started, for at most `patience_cs` hundredths of a second, and shows what the child says on stderr; when the child ends
 * before, its exit code is the parent's. Before any thread is started. */
bool reef_daemon_start(const char *pid_file, long patience_cs);
/* The process has started: the parent, if one waits, ends with 0, and stderr is /dev/null from now on. Any thread. */
void reef_daemon_started(void);
/* Removes the pid file, if it still is this process's own: when another instance has put its file there, that stays.
 * Does nothing the second time, or when there is none. One thread at a time. */
void reef_daemon_end(void);

#endif
