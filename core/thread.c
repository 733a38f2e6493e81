/* See thread.h. Signals are blocked while the thread is made, so that it begins with all of them blocked. */
#include "thread.h"

#include <pthread.h>
#include <signal.h>

int reef_thread_detached(void *(*run)(void *argument), void *argument) {
	pthread_attr_t attributes;
	pthread_t thread;
	sigset_t all, before;
	pthread_attr_init(&attributes);
	pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED);
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	int error = pthread_create(&thread, &attributes, run, argument);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
	pthread_attr_destroy(&attributes);
	return error;
}
