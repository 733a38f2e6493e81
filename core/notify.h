/* Tells systemd (or who else has set NOTIFY_SOCKET) how the process is doing, by the protocol of sd_notify(3). */
#ifndef REEF_NOTIFY_H
#define REEF_NOTIFY_H

/* Sends `state`, such as "READY=1". Nobody listens, or it cannot be told: nothing happens. Never waits. Any thread. */
void reef_notify(const char *state);

#endif
