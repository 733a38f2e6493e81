/* BSON for Lua. */
#ifndef REEF_BSON_SETUP_H
#define REEF_BSON_SETUP_H

/* Registers the room's Lua module. Start-up only. */
void reef_bson_setup(void);

#endif
