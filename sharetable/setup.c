/* Start-up of the room: every VM of a service uses the code cache, and is ended in two steps. */
#include "setup.h"

#include "codecache.h"
#include "core/host/host.h"
#include "core/host/libraries.h"
#include "image.h"
#include "library.h"
#include "lua_box.h"
#include "lua_budget.h"
#include "lua_codecache.h"
#include "lua_sharetable.h"
#include "lua_stm.h"
#include "names.h"
#include "sharetable/overlay/interrupt.h"
#include "vm.h"
#include "vm_close.h"
#include "vm_copy.h"

static bool interrupt(bool for_good) {
	return reef_interrupt_raise(for_good ? REEF_INTERRUPT_ALWAYS : REEF_INTERRUPT_ONCE);
}

void reef_sharetable_setup(void) {
	static const struct reef_host_hooks hooks = {
			.opened = reef_vm_opened,
			.open_libraries = reef_image_open,
			.new_library = reef_library_new,
			.close_state = reef_vm_close,
			.load_file = reef_codecache_load,
			.interrupt = interrupt,
			.record = &reef_vm_record_hooks,
	};
	reef_share_library_names();
	reef_image_setup(reef_libraries_open);
	reef_host_set_hooks(&hooks);
	reef_host_preload("skynet.codecache", reef_codecache_open);
	reef_host_preload("skynet.cache", reef_codecache_open); /* its older name */
	reef_host_preload("reef.sharetable", reef_sharetable_open);
	reef_host_preload("reef.box", reef_box_open);
	reef_host_preload("reef.budget", reef_budget_open);
	reef_host_preload("skynet.stm", reef_stm_open);
}
