/* Start-up of the room. */
#include "setup.h"

void reef_sharetable_setup(void) {
	reef_share_library_names();
}
