/* What memory costs when many take turns: a walk through the same 45 lines of each of some places as far apart as small
 * services are, each step to where the one before says. Of a few places, which stay in the cache; of 10,000; and of those
 * when the lines are asked for four places ahead, as a worker does. No runtime with 10,000 services can beat the last. */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

enum { LINE = 64, LINES = 45, PLACE = 28 * 1024, FEW = 20, MANY = 10000, AHEAD = 4, ROUNDS = 8, STEPS = 10 };

static size_t at[LINES];

static double cpu(void) {
	struct timespec t;
	clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &t);
	return (double)t.tv_sec * 1e6 + (double)t.tv_nsec / 1e3;
}

/* Somewhere in the place, each line once. */
static void choose_lines(void) {
	static char used[PLACE / LINE];
	srand(1);
	for (int i = 0; i < LINES; i++) {
		int line;
		do
			line = rand() % (PLACE / LINE);
		while (used[line]);
		used[line] = 1;
		at[i] = (size_t)line * LINE;
	}
}

static uint64_t walk(const char *place) {
	uint64_t offset = at[0];
	for (int i = 0; i < LINES; i++) {
		memcpy(&offset, place + offset, sizeof offset);
		/* A little work that the next step waits for. */
		for (int step = 0; step < STEPS; step++)
			__asm__ volatile("" : "+r"(offset));
	}
	return offset;
}

static void measure(const char *name, char *memory, int places, int ahead) {
	double best = 1e9;
	for (int round = 0; round < ROUNDS; round++) {
		double start = cpu();
		uint64_t sum = 0;
		for (int i = 0; i < places; i++) {
			const char *later = memory + (size_t)((i + ahead) % places) * PLACE;
			for (int line = 0; ahead > 0 && line < LINES; line++)
				__builtin_prefetch(later + at[line], 0, 2);
			sum += walk(memory + (size_t)i * PLACE);
		}
		double took = (cpu() - start) / places;
		__asm__ volatile("" : : "r"(sum));
		best = took < best ? took : best;
	}
	printf("RESULT %s cpu=%.9g\n", name, best);
}

int main(void) {
	char *memory = malloc((size_t)MANY * PLACE);
	if (memory == NULL)
		return 1;
	memset(memory, 0, (size_t)MANY * PLACE);
	choose_lines();
	for (int place = 0; place < MANY; place++) {
		for (int i = 0; i < LINES; i++) {
			uint64_t next = at[(i + 1) % LINES];
			memcpy(memory + (size_t)place * PLACE + at[i], &next, sizeof next);
		}
	}
	measure("cold_few", memory, FEW, 0);
	measure("cold_many", memory, MANY, 0);
	measure("cold_ahead", memory, MANY, AHEAD);
	free(memory);
	return 0;
}
