/* MongoDB for Lua: BSON and the wire protocol. */
#ifndef REEF_MONGO_H
#define REEF_MONGO_H

/* Start-up only. */
void reef_mongo_setup(void);

#endif
