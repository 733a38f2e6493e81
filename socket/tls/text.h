/* What went wrong with TLS, in words: "tls: ...", written to a text of REEF_TLS_TEXT bytes. Any thread. */
#ifndef REEF_SOCKET_TLS_TEXT_H
#define REEF_SOCKET_TLS_TEXT_H

#include <openssl/x509.h>
#include <stdbool.h>
#include <stddef.h>

#define REEF_TLS_TEXT 384

/* Why a certificate was refused. `name`: who it should be for. */
void reef_tls_text_unverified(char *text, X509_STORE_CTX *store, const char *where, const char *name);
/* Why OpenSSL gave up, from this thread's queue of errors, which is empty then. */
void reef_tls_text_failure(char *text, const char *where, bool server, bool established);
/* The peer answered a handshake with these bytes, which are none of TLS. */
void reef_tls_text_plain(char *text, const char *where, const char *bytes, size_t n);
/* The latest error of this thread's queue in OpenSSL's words; empties the queue. */
const char *reef_tls_text_reason(void);
/* The names that a certificate is for, with commas between. */
void reef_tls_text_names(const X509 *certificate, char *text, size_t size);

#endif
