/* See chance.h. */
#include "chance.h"

#include <string.h>
#include <sys/random.h>

#include "seam.h"
#include "sim.h"

static void draw_all(char *to, size_t n) {
	while (n > 0) {
		uint64_t drawn = reef_sim_draw(REEF_SIM_PROGRAM);
		size_t part = n < sizeof drawn ? n : sizeof drawn;
		memcpy(to, &drawn, part);
		to += part;
		n -= part;
	}
}

bool reef_chance_fill(void *bytes, size_t n, bool wait) {
	if (reef_sim_on) {
		draw_all(bytes, n);
		return true;
	}
	bool filled = getrandom(bytes, n, wait ? 0 : GRND_NONBLOCK) == (ssize_t)n;
	struct reef_seam *seam = reef_seam_here();
	if (seam) {
		filled = seam->number(seam, REEF_SEAM_RESULT, filled);
		seam->bytes(seam, REEF_SEAM_CHANCE, bytes, n);
	}
	return filled;
}
