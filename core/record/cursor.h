/* The place in the record that is replayed. Own slice only. */
#ifndef REEF_REPLAY_CURSOR_H
#define REEF_REPLAY_CURSOR_H

#include <stdbool.h>

#include "format.h"

/* What comes next, as it is; NULL: nothing. It stays there until it is taken. */
struct reef_item *reef_replay_peek(void);
void reef_replay_take(void);
/* Takes what comes next if it is the file of that name, which everybody else passes over; else NULL. */
const struct reef_item *reef_replay_take_file(const char *name);
/* Is that the end of what can be replayed? NULL is. */
bool reef_replay_is_end(const struct reef_item *item);
/* There: the service stands still where it is, and the process ends. */
_Noreturn void reef_replay_at_end(void);

/* What comes next, but for what nobody asks for or says now: looks at the clock, unless `clock`; and lines, unless `lines`. */
struct reef_item *reef_replay_seek(bool clock, bool lines);
/* Takes the answer to what the service asks; if the record has none there, that is a difference. */
struct reef_item *reef_replay_answer(enum reef_item_kind kind, unsigned what);
/* What came of a deed: what the record says, or, if it says nothing, that it was done. */
int64_t reef_replay_done(void);
/* A look at the clock, which the record may have or not. */
int64_t reef_replay_clock(unsigned what);

#endif
