/* The room of what commands and tests need of the system. */
#include "core/host/host.h"
#include "lua_editline.h"
#include "lua_programs.h"
#include "lua_terminal.h"

void reef_tools_setup(void);

void reef_tools_setup(void) {
	reef_host_preload("reef.editline", reef_open_editline);
	reef_host_preload("reef.terminal", reef_open_terminal);
	reef_host_preload("reef.programs", reef_open_programs);
}
