/* See handover.h. A list is enough: there is one for each load that somebody waits for and that has not begun. */
#include "handover.h"

#include <pthread.h>

#include "core/array.h"

struct left {
	int64_t number;
	struct reef_snapshot *snapshot;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct REEF_ARRAY(struct left) all;
static int64_t last;

int64_t reef_handover_leave(struct reef_snapshot *snapshot) {
	int64_t number = 0;
	pthread_mutex_lock(&lock);
	struct left *left = reef_array_add(&all);
	if (left != NULL)
		*left = (struct left){number = ++last, snapshot};
	pthread_mutex_unlock(&lock);
	return number;
}

struct reef_snapshot *reef_handover_take(int64_t number) {
	struct reef_snapshot *snapshot = NULL;
	pthread_mutex_lock(&lock);
	for (size_t i = 0; i < all.count && snapshot == NULL; i++) {
		if (all.items[i].number == number) {
			snapshot = all.items[i].snapshot;
			all.items[i] = all.items[--all.count];
		}
	}
	if (all.count == 0)
		reef_array_fini(&all);
	pthread_mutex_unlock(&lock);
	return snapshot;
}
