/* Start of the room. */
#include "core/cycles.h"
#include "core/module.h"
#include "core/scheduler.h"
#include "core/service.h"
#include "core/sim.h"
#include "host.h"
#include "interrupt.h"
#include "lua_core.h"
#include "lua_debugchannel.h"
#include "lua_files.h"
#include "lua_info.h"
#include "lua_log.h"
#include "lua_look.h"
#include "lua_memory.h"
#include "lua_scheduler.h"
#include "lua_services.h"
#include "lua_settings.h"
#include "lua_text.h"
#include "own_files.h"
#include "sharetable/overlay/blame.h"
#include "sharetable/overlay/collector.h"
#include "sharetable/overlay/seed.h"
#include "snlua.h"
#include "spans.h"
#include "task_await.h"

void reef_host_setup(void);

void reef_host_setup(void) {
	if (reef_sim_on)
		reef_seed_set((unsigned)reef_sim_draw(REEF_SIM_PROGRAM));
	reef_interrupt_setup();
	reef_blame_is_own = reef_own_source;
	reef_collector_watch = (struct reef_collector_watch){.begins = reef_cycles, .ended = reef_scheduler_note_pause};
	reef_module_register(&reef_snlua_module);
	reef_core_setup();
	reef_host_preload("reef.base.now", reef_lua_info_open_now);
	reef_host_preload("reef.memory", reef_open_memory);
	reef_host_preload("reef.scheduler", reef_open_scheduler);
	reef_host_preload("reef.services", reef_open_services);
	reef_host_preload("reef.spans", reef_open_spans);
	reef_host_preload("reef.await", reef_open_await);
	reef_host_preload("reef.text", reef_open_text);
	reef_host_preload("reef.files", reef_open_files);
	reef_host_preload("reef.settings", reef_open_settings);
	reef_host_preload("reef.log", reef_open_log);
	reef_host_preload("reef.look", reef_open_look);
	reef_host_preload("skynet.debugchannel", reef_open_debugchannel);
}
