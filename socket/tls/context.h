/* Contexts of TLS: configurations with their certificates, one per distinct configuration for the whole process, shared
 * by all services; and targets: what a socket needs to speak TLS, a context and who the peer is to be. Any thread. Errors
 * are sentences that begin with "tls: ". */
#ifndef REEF_SOCKET_TLS_CONTEXT_H
#define REEF_SOCKET_TLS_CONTEXT_H

#include <openssl/types.h>
#include <stddef.h>
#include <stdint.h>

#include "options.h"

struct reef_tls_context;

struct reef_tls_target {
	struct reef_tls_context *context;
	const char *name;    /* a client's: who the certificate has to be for; also sent as SNI unless it is an IP */
	const char *where;   /* a client's: the server, for texts */
	uint64_t timeout_ns; /* of a handshake that has no deadline by a connect; 0: config `socket_handshake_timeout` */
};

/* The context of these options, read from files if there is none yet, with a reference for the caller; NULL with the
 * reason at `error`. Blocks while files are read. */
struct reef_tls_context *reef_tls_context_get(const struct reef_tls_options *options, char *error, size_t error_size);
void reef_tls_context_ref(struct reef_tls_context *context);
void reef_tls_context_unref(struct reef_tls_context *context);

/* Reads the files of all contexts that are in use again. Connections that exist stay as they are, new ones use what was
 * read; where something is wrong the old certificates stay. How many were read; those that failed are counted at
 * `*failed`, and the first reason is at `error`. */
size_t reef_tls_context_reload_all(size_t *failed, char *error, size_t error_size);

/* ---- for connections ---- */

/* A new SSL of the context's present certificates, for that target, which has to live as long. */
SSL *reef_tls_context_ssl(struct reef_tls_target *target);
/* A client takes up its latest session with that server, if there is one. */
void reef_tls_context_resume(SSL *ssl);
const struct reef_tls_options *reef_tls_context_options(const struct reef_tls_context *context);

#endif
