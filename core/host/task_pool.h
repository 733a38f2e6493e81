/* The memory of tasks: a pool of coroutines that are used again. Own slice only. */
#ifndef REEF_TASK_POOL_H
#define REEF_TASK_POOL_H

struct reef_host;
struct reef_task;

/* A task whose thread is empty. */
struct reef_task *reef_task_pool_take(struct reef_host *host);
/* Its thread is emptied and goes into the pool. */
void reef_task_pool_give_back(struct reef_task *task);
/* A turn has ended: of what has been idle for long, some goes. */
void reef_task_pool_turn(struct reef_host *host);
/* Parts the task from its thread, which may live on in a variable of the user's; the struct is kept with the host's. */
void reef_task_pool_drop(struct reef_task *task);
/* Drops all that are in the pool. */
void reef_task_pool_empty(struct reef_host *host);
/* The structs, once the VM is closed. */
void reef_task_pool_free(struct reef_host *host);

#endif
