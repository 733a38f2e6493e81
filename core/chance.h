/* Chance that nobody can foresee: for keys, ids and seeds. Any thread. */
#ifndef REEF_CHANCE_H
#define REEF_CHANCE_H

#include <stdbool.h>
#include <stddef.h>

/* `wait`: for the system to have some, which takes a moment while it starts. False: it has none. In a simulation it comes
 * from the seed. */
bool reef_chance_fill(void *bytes, size_t n, bool wait);

#endif
