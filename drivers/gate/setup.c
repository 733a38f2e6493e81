/* Start of the room. */
#include "core/cservice.h"
#include "gate.h"

void reef_gate_setup(void);

void reef_gate_setup(void) {
	reef_cservice_register("gate", reef_gate_create, reef_gate_init, reef_gate_release);
}
