/* The end of the process, which comes in time whatever holds it.
 *
 * An end begins with a signal, reef.process.stop, reef_end_abort, or the last service's end. From then on services and
 * sockets have `shutdown_timeout`; then everything is aborted, and has a second to close. What is left is cut off: a
 * thread of its own, which waits for nothing that others hold, says what that was and ends the process.
 */
#ifndef REEF_END_H
#define REEF_END_H

#include <stdbool.h>
#include <stdint.h>

#define REEF_EXIT_FAILED 1 /* something could not start */
#define REEF_EXIT_CUT 3    /* a shutdown hook failed, or something was cut off */

/* Starts the thread that cuts. Main thread, once; before anything can end. */
void reef_end_init(void);

/* An orderly end is asked for: the clock starts, and `.launcher` runs the shutdown hooks; without one, everything is
 * aborted. Asked for again it changes nothing. `source`: the service that asks, 0: the engine, which has said why. Any
 * thread inside the engine. */
void reef_end_stop(uint32_t source);

/* Something could not start, which is what the exit code says, unless it was the end that kept it from starting: false.
 * Any thread. */
bool reef_end_failed(void);

/* Has an end begun? Any thread. */
bool reef_end_has_begun(void);

/* For who does not wait for the end with a thread: what is due is done. True: it is over. `*next`: when this wants to be called
 * again, at the latest. */
bool reef_end_go_on(uint64_t *next);

/* Ends all services but the logger; the process ends when they are gone. Nothing can be launched any more. A shutdown
 * hook that did not run to its end is logged and makes the exit code REEF_EXIT_CUT. `source` as for reef_end_stop. Any thread inside the
 * engine. */
void reef_end_abort(uint32_t source);

/* The exit code of an otherwise orderly end: the first one that is not 0 stays. Any thread. */
void reef_end_set_exit_code(int code);
int reef_end_exit_code(void);

/* The service `self` is about to call exit(3), which ends no service: says whose hooks do not run, waits a moment until
 * the log is written, and removes the pid file. True: hooks are left out. Own slice only. */
bool reef_end_at_once(uint32_t self);

/* The last service that keeps the process alive has ended. Any thread. */
void reef_end_finished(void);

/* Main thread: returns when all services have ended; `on_hangup` is called on SIGHUP. Returns until when output may
 * still be sent (reef_now_ns scale). */
uint64_t reef_end_wait(void (*on_hangup)(void));

/* Main thread: says in the log how the process has ended. */
void reef_end_tell(void);
/* Main thread: no service runs any more, threads are being stopped. */
void reef_end_stopping(void);
/* Main thread: nothing can hold the process now. */
void reef_end_over(void);

#endif
