/* SIGTERM, SIGINT and SIGHUP, brought to the main thread.
 *
 * They are caught by a handler that writes a byte into a pipe, and never blocked or ignored: a mask and ignored signals
 * are inherited by the programs that a service starts, handlers are not. */
#ifndef REEF_SIGNALS_H
#define REEF_SIGNALS_H

#include <stdbool.h>
#include <stdint.h>

/* First thing in main: until reef_signals_catch these signals end the process with 128 + their number, even where the
 * kernel would drop them (as the first process of a container). */
void reef_signals_init(void);

/* From now on they are for reef_signals_wait; SIGPIPE does nothing. Main thread, in the process that stays. False with
 * errno: no pipe to be had. */
bool reef_signals_catch(void);

/* Waits until `deadline_ns` (reef_now_ns scale; UINT64_MAX: for ever). A signal's number; 0: woken, or it is time. Main
 * thread only. */
int reef_signals_wait(uint64_t deadline_ns);

/* Makes reef_signals_wait return. Any thread. */
void reef_signals_wake(void);

#endif
