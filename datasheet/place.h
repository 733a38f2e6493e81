/* A place in a text: line and column, both from 1, columns in characters. Free of state. */
#ifndef REEF_DATASHEET_PLACE_H
#define REEF_DATASHEET_PLACE_H

#include <stddef.h>

#ifdef __cplusplus
extern "C" {
#endif

/* It only moves forwards. */
struct reef_place {
	const char *at;
	size_t line, column;
};

void reef_place_init(struct reef_place *place, const char *text);
/* Moves on to `to`, which is not before where it is. */
void reef_place_move(struct reef_place *place, const char *to);

#ifdef __cplusplus
}
#endif

#endif
