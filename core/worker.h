/* One worker: takes services from the queues and runs their slices; with nothing to run it polls or sleeps. */
#ifndef REEF_WORKER_H
#define REEF_WORKER_H

struct reef_worker;

/* Runs the services of the calling thread's worker until the scheduler stops. */
void reef_worker_run(struct reef_worker *worker);

#endif
