/* The threads of the workers and of what watches over them. Main thread only. */
#ifndef REEF_WORKERS_H
#define REEF_WORKERS_H

/* Starts `n` workers and the watchdog. */
void reef_workers_start(int n);
/* Stops and joins them, spare ones too. */
void reef_workers_stop(void);

#endif
