/* Makes the room's Lua modules known. */
#ifndef REEF_CACHE_SETUP_H
#define REEF_CACHE_SETUP_H

/* Once, at start-up. */
void reef_cache_setup(void);

#endif
