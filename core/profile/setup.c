/* Start-up of the room. */
#include "core/host/host.h"
#include "lua_heap.h"
#include "lua_sampler.h"

void reef_profile_setup(void);

void reef_profile_setup(void) {
	reef_host_preload("reef.profile.heap", reef_open_heap);
	reef_host_preload("reef.profile.sampler", reef_open_sampler);
}
