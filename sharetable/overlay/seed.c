/* See seed.h. */
#include "seed.h"

#include <pthread.h>
#include <sys/random.h>
#include <sys/types.h>
#include <time.h>

static unsigned int seed;
static pthread_once_t seed_once = PTHREAD_ONCE_INIT;

static void make_seed(void) {
	if (getrandom(&seed, sizeof(seed), GRND_NONBLOCK) != (ssize_t)sizeof(seed))
		seed = (unsigned int)time(NULL) ^ (unsigned int)(size_t)&seed;
}

static void keep_seed(void) {
}

void reef_seed_set(unsigned int given) {
	pthread_once(&seed_once, keep_seed);
	seed = given;
}

unsigned int reef_seed(void) {
	pthread_once(&seed_once, make_seed);
	return seed;
}
