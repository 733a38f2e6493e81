/* See nodes.h. */
#include "nodes.h"

#include <arpa/inet.h>
#include <strings.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/ptrmap.h"
#include "core/service.h"
#include "core/sim.h"
#include "core/slice.h"

#define FIRST_HOST UINT32_C(0x0a000001) /* 10.0.0.1 */

static struct REEF_ARRAY(char *) names; /* the i-th has the address FIRST_HOST + i */
static struct reef_ptrmap places;       /* handles to hosts */

static void *key_of(uint32_t n) {
	return (void *)(uintptr_t)n;
}

uint32_t reef_sim_node(const char *name) {
	struct in_addr literal;
	if (inet_pton(AF_INET, name, &literal) == 1)
		return ntohl(literal.s_addr);
	if (strcasecmp(name, "localhost") == 0)
		return REEF_SIM_LOCALHOST;
	for (size_t i = 0; i < names.count; i++)
		if (strcasecmp(names.items[i], name) == 0)
			return FIRST_HOST + (uint32_t)i;
	char **added = reef_array_add(&names);
	if (added == NULL)
		reef_alloc_give_up(sizeof *added);
	*added = reef_strdup(name);
	return FIRST_HOST + (uint32_t)names.count - 1;
}

void reef_sim_node_place(uint32_t handle, uint32_t host) {
	if (!reef_ptrmap_put(&places, key_of(handle), key_of(host)))
		reef_alloc_give_up(sizeof(struct reef_ptrpair));
}

static uint32_t host_of(uint32_t handle) {
	const void *host = handle ? reef_ptrmap_get(&places, key_of(handle)) : NULL;
	return host ? (uint32_t)(uintptr_t)host : REEF_SIM_LOCALHOST;
}

void reef_sim_node_inherit(uint32_t handle, uint32_t from) {
	reef_sim_node_place(handle, host_of(from));
}

uint32_t reef_sim_node_here(void) {
	const struct reef_service *service = reef_slice_service();
	return host_of(service ? reef_service_handle(service) : 0);
}
