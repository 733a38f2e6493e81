/* MongoDB for Lua. */
#ifndef REEF_MONGO_SETUP_H
#define REEF_MONGO_SETUP_H

/* Registers the room's Lua module. Start-up only. */
void reef_mongo_setup(void);

#endif
