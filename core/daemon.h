/* Daemon mode: the process goes to the background and keeps a locked pid file (configuration key `daemon`). */
#ifndef REEF_DAEMON_H
#define REEF_DAEMON_H

#include <stdbool.h>

/* Refuses (false, reason on stderr) while another process holds the pid file. Otherwise goes on in a child that keeps the
 * working directory, has the file locked and its streams on /dev/null. Before any thread is started. */
bool reef_daemon_start(const char *pid_file);
void reef_daemon_end(const char *pid_file);

#endif
