/* Start-up of the room. */
#ifndef REEF_SHARETABLE_SETUP_H
#define REEF_SHARETABLE_SETUP_H

/* Registers the room's Lua modules and its hooks in the Lua host, and fills the pool with the names of the libraries. */
void reef_sharetable_setup(void);

#endif
