/* See links.h. */
#include "links.h"

#include <stddef.h>

#include "core/alloc.h"
#include "core/array.h"

struct reef_sim_network reef_sim_network = {.delay_least = 50e-6, .delay_most = 1e-3};

struct pair {
	uint32_t one, other;
};
static struct REEF_ARRAY(struct pair) partitions;

bool reef_sim_net_parted(uint32_t one, uint32_t other) {
	for (size_t i = 0; i < partitions.count; i++) {
		struct pair pair = partitions.items[i];
		if ((pair.one == one && pair.other == other) || (pair.one == other && pair.other == one))
			return true;
	}
	return false;
}

void reef_sim_net_partition(uint32_t one, uint32_t other, bool parted) {
	if (parted && !reef_sim_net_parted(one, other)) {
		struct pair *pair = reef_array_add(&partitions);
		if (pair == NULL)
			reef_alloc_give_up(sizeof *pair);
		*pair = (struct pair){one, other};
	}
	for (size_t i = partitions.count; !parted && i-- > 0;) {
		struct pair pair = partitions.items[i];
		if ((pair.one == one && pair.other == other) || (pair.one == other && pair.other == one))
			partitions.items[i] = partitions.items[--partitions.count];
	}
}

void reef_sim_net_heal(void) {
	partitions.count = 0;
}
