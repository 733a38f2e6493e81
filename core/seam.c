/* See seam.h. */
#include "seam.h"

bool reef_seam_on;
_Thread_local struct reef_seam_holder *reef_seam_holder;

struct reef_seam *reef_seam_now(void) {
	struct reef_seam *seam = reef_seam_mine();
	return seam && seam->off == 0 ? seam : NULL;
}

void (*reef_seam_play)(unsigned event, const struct reef_seam_about *about);
