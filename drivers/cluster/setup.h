/* Start-up of this room. */
#ifndef REEF_CLUSTER_SETUP_H
#define REEF_CLUSTER_SETUP_H

/* Registers its Lua module. Start-up only. */
void reef_cluster_setup(void);

#endif
