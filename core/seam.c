/* See seam.h. */
#include "seam.h"

bool reef_seam_on;
_Thread_local struct reef_seam_holder *reef_seam_holder;

struct reef_seam *reef_seam_now(void) {
	struct reef_seam *seam = reef_seam_mine();
	return seam && seam->off == 0 ? seam : NULL;
}

/* ---- views ---- */

void reef_seam_add_view(struct reef_seam *seam, struct reef_seam_view *view) {
	view->next = seam->views;
	seam->views = view;
}

void reef_seam_end_views(struct reef_seam *seam) {
	while (seam->views) {
		struct reef_seam_view *view = seam->views;
		seam->views = view->next;
		view->ended(view);
	}
}

/* ---- events out of a record ---- */

#define EVENTS_EACH 16 /* of a room */

static void (*players[REEF_SEAM_EVENTS / EVENTS_EACH])(unsigned event, const struct reef_seam_about *about);

void reef_seam_play(unsigned event, const struct reef_seam_about *about) {
	if (event < REEF_SEAM_EVENTS && players[event / EVENTS_EACH])
		players[event / EVENTS_EACH](event, about);
}

void reef_seam_set_player(enum reef_seam_event first,
						  void (*play)(unsigned event, const struct reef_seam_about *about)) {
	players[first / EVENTS_EACH] = play;
}
