/* Messages to other nodes: each is put into one to the service `.cslave`, which has the connections. Any thread inside the
 * engine.
 */
#ifndef REEF_REMOTE_H
#define REEF_REMOTE_H

#include <stdint.h>

#include "message.h"

enum {
	REEF_REMOTE_TRAILER = 12, /* bytes behind a message between nodes */
	REEF_REMOTE_EXTRA =
			4 + REEF_REMOTE_TRAILER + 1, /* what a message that carries another has beside that one's data */
};

/* Takes m and makes the message to `.cslave` that carries it: of type REEF_PTYPE_HARBOR, with m's source, and with its
 * session if m is a request, since the carrier owes the answer then. Its data is the frame that goes to the other node and
 * a byte, the number of that node. A frame is, in network order, 4 bytes of length of what follows, m's data, and, 4 bytes
 * each, source, destination with the type in its upper 8 bits, and session. NULL when out of memory. */
struct reef_message *reef_remote_wrap(uint32_t dest, struct reef_message *m);
/* The handle of `.cslave`, 0 if there is none. */
uint32_t reef_remote_carrier(void);

#endif
