/* A tally of folded stacks: how much was seen of each text. Bounded: what is new when it is full counts for one text,
 * "(others)". Owns its texts. One thread at a time. */
#ifndef REEF_PROFILE_TALLY_H
#define REEF_PROFILE_TALLY_H

#include <stddef.h>
#include <stdint.h>

#define REEF_TALLY_TEXTS 20000             /* at most */
#define REEF_TALLY_BYTES ((size_t)8 << 20) /* of all texts, at most */

struct reef_tally;

/* Freed with reef_tally_free. */
struct reef_tally *reef_tally_new(void);
void reef_tally_free(struct reef_tally *tally);
/* Adds to what a text has; `n` bytes, which are copied. */
void reef_tally_add(struct reef_tally *tally, const char *text, size_t n, uint64_t value);
/* Calls `f` for each text. */
void reef_tally_each(const struct reef_tally *tally, void (*f)(void *ud, const char *text, size_t n, uint64_t value),
					 void *ud);

#endif
