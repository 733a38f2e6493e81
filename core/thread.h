/* Threads of the process beside its workers. */
#ifndef REEF_THREAD_H
#define REEF_THREAD_H

/* Runs run(argument) on a thread of its own, which nobody waits for and no signal interrupts. 0 or an errno. Any thread. */
int reef_thread_detached(void *(*run)(void *argument), void *argument);

#endif
