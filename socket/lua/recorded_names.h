/* Names that a service looks up, for one that is recorded or replayed (core/seam.h): what was found is an event of the record,
 * under the number of the question. Own slice only. */
#ifndef REEF_RECORDED_NAMES_H
#define REEF_RECORDED_NAMES_H

#include <stdbool.h>
#include <stdint.h>

#include "socket/names/answer.h"
#include "socket/names/waiter.h"

struct reef_seam;

/* Start-up: who is told what was found. */
void reef_recorded_names_setup(reef_waiter_done done);
/* `ud` waits for an answer from now on, under a number other than 0. `*real`: it is to be asked for. */
uint32_t reef_recorded_names_ask(struct reef_seam *seam, const char *what, const char *name, void *ud, bool *real);
/* He does not wait any more. False: he did not, as far as the record knows. */
bool reef_recorded_names_forget(uint32_t number);
/* The answer to that number is here; until reef_recorded_names_told it is being told. */
struct reef_seam *reef_recorded_names_tell(uint32_t number, const struct reef_answer *answer, const char *error);
void reef_recorded_names_told(struct reef_seam *seam);
/* The answer to a question that nobody waits for: what was found, or, in a replay, what the record says. */
void reef_recorded_names_now(struct reef_seam *seam, bool real, struct reef_answer *answer, const char **error);

#endif
