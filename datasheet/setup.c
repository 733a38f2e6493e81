/* See setup.h. */
#include "setup.h"

#include "core/host/host.h"
#include "lua_datasheet.h"
#include "lua_load.h"
#include "replayed.h"
#include "sheets.h"

void reef_datasheet_setup(void) {
	reef_sheets_setup();
	reef_replayed_setup();
	reef_host_preload("reef.datasheet.core", reef_datasheet_open);
	reef_lua_load_setup();
}
