/* The number of this process: see node.h. */
#include "node.h"

static uint32_t own_bits;

void reef_node_set(uint32_t number) {
	own_bits = number << 24;
}

uint32_t reef_node_bits(void) {
	return own_bits;
}

bool reef_node_is_other(uint32_t handle) {
	uint32_t bits = handle & 0xff000000u;
	return bits != own_bits && bits != 0 && own_bits != 0;
}
