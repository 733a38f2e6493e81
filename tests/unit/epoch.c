/* Deferred reclamation: nothing is freed under the eyes of a thread that may be looking at it. */
#include "engine.h"

#include <pthread.h>
#include <semaphore.h>

#include "core/epoch.h"

static atomic_int destroyed;

static void destroy(void *p) {
	reef_free(p);
	atomic_fetch_add(&destroyed, 1);
}

static sem_t inside, may_leave;

static void *reader(void *p) {
	(void)p;
	reef_epoch_enter();
	sem_post(&inside);
	sem_wait(&may_leave);
	reef_epoch_leave();
	return NULL;
}

static void a_thread_inside_keeps_what_was_retired(void **state) {
	(void)state;
	pthread_t thread;
	sem_init(&inside, 0, 0);
	sem_init(&may_leave, 0, 0);
	pthread_create(&thread, NULL, reader, NULL);
	sem_wait(&inside);
	reef_epoch_retire(reef_malloc(8), destroy);
	reef_epoch_quiescent();
	reef_epoch_reclaim();
	assert_int_equal(atomic_load(&destroyed), 0);
	sem_post(&may_leave);
	pthread_join(thread, NULL);
	reef_epoch_quiescent();
	reef_epoch_reclaim();
	assert_int_equal(atomic_load(&destroyed), 1);
	assert_int_equal(reef_epoch_pending(), 0);
}

enum { ROUNDS = 20000, READERS = 3 };
static _Atomic(int *) published;
static atomic_bool stop;

static void *look(void *p) {
	(void)p;
	long sum = 0;
	while (!atomic_load(&stop)) {
		reef_epoch_enter();
		for (int i = 0; i < 10; i++) {
			sum += *atomic_load(&published);
			reef_epoch_quiescent();
		}
		reef_epoch_leave();
	}
	return (void *)sum;
}

static void poison_and_free(void *p) {
	*(int *)p = -1000000;
	reef_free(p);
}

static void readers_never_see_freed_memory(void **state) {
	(void)state;
	int *first = reef_malloc(sizeof *first);
	*first = 1;
	atomic_store(&published, first);
	pthread_t threads[READERS];
	for (int i = 0; i < READERS; i++)
		pthread_create(&threads[i], NULL, look, NULL);
	for (int i = 0; i < ROUNDS; i++) {
		int *next = reef_malloc(sizeof *next);
		*next = 1;
		reef_epoch_retire(atomic_exchange(&published, next), poison_and_free);
		reef_epoch_quiescent();
		reef_epoch_reclaim();
	}
	atomic_store(&stop, true);
	for (int i = 0; i < READERS; i++) {
		void *sum;
		pthread_join(threads[i], &sum);
		assert_true((long)sum >= 0);
	}
	reef_free(atomic_load(&published));
	reef_epoch_quiescent();
	reef_epoch_reclaim();
	assert_int_equal(reef_epoch_pending(), 0);
}

int main(void) {
	const struct CMUnitTest tests[] = {
			cmocka_unit_test(a_thread_inside_keeps_what_was_retired),
			cmocka_unit_test(readers_never_see_freed_memory),
	};
	reef_epoch_enter();
	return cmocka_run_group_tests(tests, NULL, NULL);
}
