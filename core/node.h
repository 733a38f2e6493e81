/* The number of this process among others: the upper 8 bits of an address are the number of the node where the service
 * lives, 0 in a process without a network. Any thread.
 */
#ifndef REEF_NODE_H
#define REEF_NODE_H

#include <stdbool.h>
#include <stdint.h>

/* 0 to 255. Once, before the first service. */
void reef_node_set(uint32_t number);
/* What that number is within an address: its upper 8 bits. */
uint32_t reef_node_bits(void);
/* Does that address belong to another node? */
bool reef_node_is_other(uint32_t handle);

#endif
