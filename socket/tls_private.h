/* TLS inside the room: contexts as connections see them, and connections as sockets see them.
 *
 * A struct reef_tls belongs to its slot and is used with the slot locked, by whichever thread that is: the owner's slice
 * reads and shakes hands; whoever flushes encrypts. OpenSSL sees neither descriptors nor blocking: it is fed with what
 * was received, and what it wants to send is gathered and sent in one go.
 */
#ifndef REEF_SOCKET_TLS_PRIVATE_H
#define REEF_SOCKET_TLS_PRIVATE_H

#include <openssl/ssl.h>
#include <sys/uio.h>

#include "socket/slot.h"
#include "socket/tls.h"

#define REEF_TLS_TEXT 384

/* ---- tls_context.c ---- */

/* A new SSL of the context's present certificates. */
SSL *reef_tls_context_ssl(struct reef_tls_context *context);
/* Was it made of these, or of what a reload has replaced? */
bool reef_tls_context_is_present(struct reef_tls_context *context, const SSL *ssl);
const struct reef_tls_options *reef_tls_context_options(const struct reef_tls_context *context);
struct reef_tls_sessions *reef_tls_context_sessions(struct reef_tls_context *context);

/* ---- tls_session.c: a client's sessions, to be resumed ---- */

struct reef_tls_sessions;
struct reef_tls_sessions *reef_tls_sessions_new(void);
void reef_tls_sessions_delete(struct reef_tls_sessions *sessions);
/* Takes the session. */
void reef_tls_sessions_put(struct reef_tls_sessions *sessions, const char *where, const char *name,
						   SSL_SESSION *session);
/* The latest that is still good, the caller's then; NULL: none. One of TLS 1.3 is given away once (RFC 8446, C.4). */
SSL_SESSION *reef_tls_sessions_take(struct reef_tls_sessions *sessions, const char *where, const char *name);
void reef_tls_sessions_clear(struct reef_tls_sessions *sessions);

/* ---- tls_text.c: what went wrong, in words; all write "tls: ..." ---- */

/* Why a certificate was refused. `name`: who it should be for. */
void reef_tls_verify_text(char *text, X509_STORE_CTX *store, const char *where, const char *name);
/* Why OpenSSL gave up, from this thread's queue of errors, which is empty then. */
void reef_tls_failure_text(char *text, const char *where, bool server, bool established);
/* The peer answered a handshake with these bytes, which are none of TLS. */
void reef_tls_plain_text(char *text, const char *where, const char *bytes, size_t n);
/* The latest error of this thread's queue in OpenSSL's words; empties the queue. */
const char *reef_tls_reason(void);
void reef_tls_date(const ASN1_TIME *time, char *text, size_t size);
/* The names that a certificate is for, with commas between. */
void reef_tls_names(const X509 *certificate, char *text, size_t size);

/* ---- tls.c ---- */

struct reef_tls;
/* OpenSSL's callback: the server has given us a session to be resumed. */
int reef_tls_new_session(SSL *ssl, SSL_SESSION *session);
struct reef_tls *reef_tls_new(const struct reef_tls_target *target);
void reef_tls_delete(struct reef_tls *tls);
/* The server's side of a connection that a listener with this TLS has accepted. */
struct reef_tls *reef_tls_accept(const struct reef_tls *listener, const char *peer);
bool reef_tls_is_server(const struct reef_tls *tls);
bool reef_tls_established(const struct reef_tls *tls);
/* Is the end of the handshake to be told by `opened`? */
bool reef_tls_tells(const struct reef_tls *tls);
void reef_tls_set_tell(struct reef_tls *tls, bool tell);
uint64_t reef_tls_timeout_ns(const struct reef_tls *tls);
/* Bytes that are to be taken for received, or sent before anything else. */
void reef_tls_preload(struct reef_slot *slot, const void *received, size_t n);
void reef_tls_send_first(struct reef_slot *slot);

enum reef_tls_progress { REEF_TLS_WAITS, REEF_TLS_DONE, REEF_TLS_FAILED };
/* Goes on with the handshake. FAILED: error_text says why. */
enum reef_tls_progress reef_tls_handshake(struct reef_slot *slot);
/* As recv(2) and sendmsg(2), with the bytes of the application. EPROTO: error_text says what. What has been encrypted
 * but not sent is counted in slot->sealed, and goes before all else with the next call. */
ssize_t reef_tls_read(struct reef_slot *slot, char *buffer, size_t room);
ssize_t reef_tls_send(struct reef_slot *slot, const struct iovec *iov, int n);
/* Everything has been sent: says goodbye. True: the descriptor may be closed; false: once more when something comes. */
bool reef_tls_part(struct reef_slot *slot);
/* The handshake has taken too long. */
void reef_tls_too_late(struct reef_slot *slot);
void reef_tls_fill_info(const struct reef_tls *tls, struct reef_tls_info *info);

#endif
