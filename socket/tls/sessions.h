/* Sessions that a client may resume. Shared by all connections of a context; any thread. */
#ifndef REEF_SOCKET_TLS_SESSIONS_H
#define REEF_SOCKET_TLS_SESSIONS_H

#include <openssl/ssl.h>

struct reef_tls_sessions;

struct reef_tls_sessions *reef_tls_sessions_new(void);
void reef_tls_sessions_delete(struct reef_tls_sessions *sessions);
/* Takes the session. */
void reef_tls_sessions_put(struct reef_tls_sessions *sessions, const char *where, const char *name,
						   SSL_SESSION *session);
/* The latest that is still good, the caller's then; NULL: none. One of TLS 1.3 is given away once (RFC 8446, C.4). */
SSL_SESSION *reef_tls_sessions_take(struct reef_tls_sessions *sessions, const char *where, const char *name);
void reef_tls_sessions_clear(struct reef_tls_sessions *sessions);

#endif
