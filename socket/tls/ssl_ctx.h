/* From options to what OpenSSL makes connections of: reads the files. Any thread; blocks meanwhile. */
#ifndef REEF_SOCKET_TLS_SSL_CTX_H
#define REEF_SOCKET_TLS_SSL_CTX_H

#include <openssl/ssl.h>

#include "options.h"

/* OpenSSL's callback: a server has given its client a session to be resumed. */
typedef int (*reef_tls_new_session)(SSL *ssl, SSL_SESSION *session);

/* The caller's; NULL with the reason at `error`, beginning with "tls: ". The options have to live as long. */
SSL_CTX *reef_tls_ssl_ctx_new(const struct reef_tls_options *options, reef_tls_new_session new_session, char *error,
							  size_t error_size);

#endif
