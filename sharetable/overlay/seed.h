/* The seed of hashes, one a process: equal strings hash alike in all VMs. Any thread. */
#ifndef REEF_SHARETABLE_SEED_H
#define REEF_SHARETABLE_SEED_H

unsigned int reef_seed(void);
/* It is this one. Before anybody asks. */
void reef_seed_set(unsigned int given);

#endif
