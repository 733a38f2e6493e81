/* What a replay says: where the service does otherwise than its record has it, and how all has ended. Own slice only. */
#ifndef REEF_REPLAY_DIFFERENCE_H
#define REEF_REPLAY_DIFFERENCE_H

#include <stdbool.h>

#include "format.h"

bool reef_replay_is_line(const struct reef_item *item);
/* Is what was done the same, but for addresses of this process's memory in lines? Both are deeds of one kind. */
bool reef_replay_is_same(const struct reef_item *recorded, const struct reef_item *now);
/* Is `now` another request than the recorded one, or one to somebody else? What the record has is no answer to that. */
bool reef_replay_is_another_request(const struct reef_item *recorded, const struct reef_item *now);
/* `expected` is what the record has, `got` what was done; either may be NULL. */
void reef_replay_show_difference(const struct reef_item *expected, const struct reef_item *got);

/* Ends the process, with REEF_REPLAY_ENDED_ILL if anything was different. */
_Noreturn void reef_replay_finish(const char *how, int code);
/* That is a difference behind which nothing can be compared. */
_Noreturn void reef_replay_lose(const struct reef_item *expected, const struct reef_item *got);
/* The same, where `got` is another request than `expected`. */
_Noreturn void reef_replay_lose_answers(const struct reef_item *expected, const struct reef_item *got);

#endif
