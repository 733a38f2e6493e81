/* Messages to other nodes: see remote.h. */
#include "remote.h"

#include <stdbool.h>
#include <string.h>

#include "name.h"

static char *put_u32(char *at, uint32_t value) {
	for (int shift = 24; shift >= 0; shift -= 8)
		*at++ = (char)(value >> shift & 0xff);
	return at;
}

struct reef_message *reef_remote_wrap(uint32_t dest, struct reef_message *m) {
	struct reef_message *carrying = reef_message_try_new(m->size + REEF_REMOTE_EXTRA);
	if (carrying != NULL) {
		char *at = put_u32(carrying->data, (uint32_t)(m->size + REEF_REMOTE_TRAILER));
		if (m->size > 0)
			memcpy(at, m->data, m->size);
		at = put_u32(at + m->size, m->source);
		at = put_u32(at, (dest & 0xffffffu) | (uint32_t)m->type << 24);
		at = put_u32(at, (uint32_t)m->session);
		*at = (char)(dest >> 24);
		bool reply = m->type == REEF_PTYPE_RESPONSE || m->type == REEF_PTYPE_ERROR;
		carrying->type = REEF_PTYPE_HARBOR;
		carrying->session = reply ? 0 : m->session;
		carrying->source = m->source;
	}
	reef_message_free(m);
	return carrying;
}

uint32_t reef_remote_carrier(void) {
	return reef_name_find("cslave");
}
