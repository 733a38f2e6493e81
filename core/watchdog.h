/* The watchdog: a thread that helps where workers cannot, because they are inside user code.
 *
 * While workers have messages it wakes every few milliseconds (pace.h). It gives work that lies behind a long message to
 * others, lends a spare worker when every other one is stuck, interrupts a service that is to end and does not return, and
 * reports those that have been in one message for seconds. When the process is idle it sleeps until a worker has something
 * to do.
 */
#ifndef REEF_WATCHDOG_H
#define REEF_WATCHDOG_H

/* Starts its thread, when the regular workers are there; stops and joins it. Main thread only. */
void reef_watchdog_start(void);
void reef_watchdog_stop(void);
/* A worker has found something to run after the process was idle. Cheap when the watchdog is awake. */
void reef_watchdog_notice(void);

#endif
