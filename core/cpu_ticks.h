/* A signal (SIGPROF) to each worker thread whenever it has used so much CPU time: what samples are taken by.
 *
 * Each thread has a timer on its own CPU clock, so who sleeps hears nothing, and a busy machine changes nothing. While
 * nobody asks for ticks there is no timer. Owns its list of threads. */
#ifndef REEF_CPU_TICKS_H
#define REEF_CPU_TICKS_H

#include <stdbool.h>
#include <stdint.h>

/* Called by the signal handler on the thread that used the time; `ticks` is 1 or, if some came late, more. `context` is the
 * ucontext_t of what was interrupted. It may do what a signal handler may do. */
typedef void (*reef_cpu_tick)(unsigned ticks, void *context);

/* A tick for each `period_ns` of CPU time; replaces the ticks of before. False: the system has no such timers. Any thread. */
bool reef_cpu_ticks_start(uint64_t period_ns, reef_cpu_tick tick);
/* No ticks any more; one may still be on its way. Any thread. */
void reef_cpu_ticks_stop(void);

/* ---- for threads that run services ---- */

/* The calling thread is one from now on, until it leaves. */
void reef_cpu_ticks_join(void);
void reef_cpu_ticks_leave(void);

#endif
