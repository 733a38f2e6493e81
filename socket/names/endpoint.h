/* Where to connect or listen, as users write it. Pure functions, any thread. */
#ifndef REEF_SOCKET_NAMES_ENDPOINT_H
#define REEF_SOCKET_NAMES_ENDPOINT_H

#include <stdbool.h>

#include "address.h"

/* What a text meant: an address, or a name that is still to be resolved. */
struct reef_endpoint {
	bool literal;
	struct reef_address address; /* when literal */
	char host[256];              /* else */
	int port;
};

/* With port >= 0, `host` is an IP (v6 with or without brackets) or a name; with port < 0 it has one of the forms
 * "ip:port", "name:port", "[v6]:port", "unix:PATH", "/PATH" (a Unix socket), "unix:@NAME" (an abstract one). NULL, or
 * what is wrong (valid until this thread's next call). */
const char *reef_endpoint_parse(struct reef_endpoint *endpoint, const char *host, int port);

#endif
