/* See place.h. */
#include "place.h"

void reef_place_init(struct reef_place *place, const char *text) {
	*place = (struct reef_place){text, 1, 1};
}

void reef_place_move(struct reef_place *place, const char *to) {
	const char *p = place->at;
	for (; p < to; p++) {
		if (*p == '\n') {
			place->line++;
			place->column = 1;
		} else if (((unsigned char)*p & 0xc0) != 0x80) {
			place->column++;
		}
	}
	place->at = p;
}
