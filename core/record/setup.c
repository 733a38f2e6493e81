/* Start of the room. */
#include "core/host/host.h"
#include "core/host/seam.h"
#include "core/sim.h"
#include "files.h"
#include "lua_record.h"
#include "record.h"
#include "replay.h"

void reef_record_setup(void);

static struct reef_host_seam *make_seam(struct reef_host *host, const char *arguments) {
	return reef_replay_is_on() ? reef_replay_make(host) : reef_record_make(host, arguments);
}

void reef_record_setup(void) {
	reef_host_preload("reef.record.core", reef_open_record);
	if (reef_replay_is_on())
		__atomic_store_n(&reef_seam_on, true, __ATOMIC_RELAXED);
	else if (!reef_sim_on)
		reef_record_files_setup();
	if (!reef_sim_on)
		reef_host_set_seams(make_seam);
}
