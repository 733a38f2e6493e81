/* Spare workers: threads that run services while all other workers are stuck in long messages.
 *
 * The watchdog lends one when nobody is left who looks at sockets, timers and queues, and one more when that one is stuck,
 * too; it takes them back when a regular worker has come out. They are made when they are needed first, and then sleep:
 * nothing is paid for them while nothing is stuck. Heavy services, which would only make a spare worker stuck as well,
 * are left to the regular ones, but for as many as have regular workers in their way that may never come back.
 */
#ifndef REEF_SPARE_H
#define REEF_SPARE_H

#include <stdbool.h>

struct reef_worker;

/* `worker_main` is the thread function of workers; its argument is the worker. Start-up only. */
void reef_spare_init(void *(*worker_main)(void *worker));
/* Ends and joins them, once the scheduler is stopping and the watchdog has gone. */
void reef_spare_stop(void);

/* ---- watchdog only ---- */

/* One more worker; false: there is none to be had. */
bool reef_spare_lend(void);
/* All that are not in a slice rest; the others when theirs is over. */
void reef_spare_take_back(void);

/* ---- spare workers only ---- */

/* Has it been taken back? */
bool reef_spare_over(struct reef_worker *worker);
/* Waits until it is lent again, or the scheduler stops. Outside the engine. */
void reef_spare_rest(struct reef_worker *worker);

#endif
