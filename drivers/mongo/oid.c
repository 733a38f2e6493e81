/* Object ids: 4 bytes of seconds, 3 of the host, 2 of the process, 3 of a counter; all big-endian. Any thread. */
#include "bson.h"

#include <pthread.h>
#include <stdatomic.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint8_t process[5]; /* of the host, and of the process on it */
static atomic_uint counter;

static void identify(void) {
	char name[256] = "";
	uint32_t hash = 2166136261u;
	gethostname(name, sizeof(name) - 1);
	for (const char *s = name; *s != 0; s++) {
		hash = (hash ^ (uint8_t)*s) * 16777619u;
	}
	uint32_t pid = (uint32_t)getpid();
	process[0] = (uint8_t)(hash >> 16);
	process[1] = (uint8_t)(hash >> 8);
	process[2] = (uint8_t)hash;
	process[3] = (uint8_t)(pid >> 8);
	process[4] = (uint8_t)pid;
	unsigned start;
	if (getrandom(&start, sizeof(start), 0) != (ssize_t)sizeof(start)) {
		start = (unsigned)time(NULL) * 2654435761u;
	}
	atomic_init(&counter, start);
}

uint32_t reef_bson_next_increment(void) {
	pthread_once(&once, identify);
	return atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed);
}

void reef_bson_new_oid(uint8_t oid[REEF_BSON_OID_SIZE]) {
	uint32_t n = reef_bson_next_increment();
	uint32_t now = (uint32_t)time(NULL);
	for (int i = 0; i < 4; i++) {
		oid[i] = (uint8_t)(now >> (24 - 8 * i));
	}
	memcpy(oid + 4, process, 5);
	for (int i = 0; i < 3; i++) {
		oid[9 + i] = (uint8_t)(n >> (16 - 8 * i));
	}
}
