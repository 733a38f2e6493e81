/* See oid.h. */
#include "oid.h"
#include "core/chance.h"
#include "core/clock.h"
#include "core/seam.h"

#include <pthread.h>
#include <stdatomic.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

static pthread_once_t once = PTHREAD_ONCE_INIT;
static uint8_t process[5];
static atomic_uint counter;

/* Fills in what getrandom did not: then nothing better than the clock, an address and the process's number is there. */
static void improvise(uint8_t *bytes, size_t n) {
	struct timespec now;
	clock_gettime(CLOCK_REALTIME, &now);
	uint64_t x = (uint64_t)now.tv_sec * UINT64_C(1000000007) ^ (uint64_t)now.tv_nsec << 20 ^ (uint64_t)getpid() << 40 ^
				 (uint64_t)(uintptr_t)&now;
	for (size_t i = 0; i < n; i++) {
		x = x * UINT64_C(6364136223846793005) + UINT64_C(1442695040888963407);
		bytes[i] ^= (uint8_t)(x >> 56);
	}
}

static void identify(void) {
	uint8_t bytes[sizeof(process) + sizeof(unsigned)] = {0};
	if (!reef_chance_fill(bytes, sizeof(bytes), true)) {
		improvise(bytes, sizeof(bytes));
	}
	unsigned start;
	memcpy(process, bytes, sizeof(process));
	memcpy(&start, bytes + sizeof(process), sizeof(start));
	atomic_init(&counter, start);
}

/* A child that goes on by itself is another process. */
static void start(void) {
	identify();
	pthread_atfork(NULL, NULL, identify);
}

uint32_t reef_bson_oid_next_increment(void) {
	struct reef_seam *seam = reef_seam_leave();
	pthread_once(&once, start);
	reef_seam_return(seam);
	return (uint32_t)reef_seam_number(REEF_SEAM_STATE, atomic_fetch_add_explicit(&counter, 1, memory_order_relaxed));
}

void reef_bson_oid_new(uint8_t oid[REEF_BSON_OID_SIZE]) {
	uint32_t n = reef_bson_oid_next_increment();
	uint32_t now = (uint32_t)reef_wall_seconds();
	for (int i = 0; i < 4; i++) {
		oid[i] = (uint8_t)(now >> (24 - 8 * i));
	}
	memcpy(oid + 4, process, sizeof process);
	struct reef_seam *seam = reef_seam_here();
	if (seam)
		seam->bytes(seam, REEF_SEAM_STATE, oid + 4, sizeof process);
	for (int i = 0; i < 3; i++) {
		oid[9 + i] = (uint8_t)(n >> (16 - 8 * i));
	}
}
