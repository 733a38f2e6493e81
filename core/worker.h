/* One worker: takes services from the queues and runs their slices; with nothing to run it polls or sleeps. */
#ifndef REEF_WORKER_H
#define REEF_WORKER_H

struct reef_service;
struct reef_worker;

/* Runs the services of the calling thread's worker until the scheduler stops. */
void reef_worker_run(struct reef_worker *worker);

/* One slice of a service that is in no queue: at most that many messages. For who has no thread for each worker. */
void reef_worker_slice(struct reef_worker *worker, struct reef_service *service, int messages);

#endif
