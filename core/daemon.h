/* Daemon mode: the process goes to the background and keeps a locked pid file (configuration key `daemon`). */
#ifndef REEF_DAEMON_H
#define REEF_DAEMON_H

#include <stdbool.h>

/* Refuses (false, reason on stderr) while another process holds the pid file. Otherwise goes on in a child that keeps the
 * working directory, has the file locked and its streams on /dev/null. Before any thread is started. */
bool reef_daemon_start(const char *pid_file);
/* Removes the pid file, if it still is this process's own: when another instance has put its file there, that stays.
 * Does nothing the second time, or when there is none. One thread at a time. */
void reef_daemon_end(void);

#endif
