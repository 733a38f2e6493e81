/* See seam.h. */
#include "seam.h"

bool reef_seam_on;
struct reef_seam *(*reef_seam_find)(void);
void (*reef_seam_play)(unsigned event, const struct reef_seam_about *about);
