/* Start-up of the room. */
#ifndef REEF_DATASHEET_SETUP_H
#define REEF_DATASHEET_SETUP_H

/* Registers the room's Lua modules. */
void reef_datasheet_setup(void);

#endif
