/* A prompt for Lua in the service that is replayed, between two messages. */
#ifndef REEF_REPLAY_PROMPT_H
#define REEF_REPLAY_PROMPT_H

#include <stdint.h>

struct reef_host;

/* Returns at the end of the input, or at `cont`. Own slice only. */
void reef_replay_prompt(struct reef_host *host, uint64_t message, double seconds);

#endif
