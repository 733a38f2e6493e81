/* Names of the kinds of messages: see kinds.h. */
#include "kinds.h"

#include "core/service.h"

const char *reef_kind_name(unsigned kind) {
	static const char *const names[REEF_SERVICE_KINDS] = {"text",   "response", "multicast", "client", "system",
														  "harbor", "socket",   "error",     "queue",  "debug",
														  "lua",    "snax",     "trace",     "event",  "other"};
	return names[kind < REEF_SERVICE_KINDS ? kind : REEF_SERVICE_OTHER];
}
