/* How the encrypted bytes of a TLS connection come and go, and those that are not encrypted before it begins. */
#ifndef REEF_SOCKET_TLS_BYTES_H
#define REEF_SOCKET_TLS_BYTES_H

#include <openssl/bio.h>
#include <stdbool.h>
#include <sys/types.h>

struct reef_tls;

/* Where OpenSSL reads and writes. NULL: no memory. */
BIO *reef_tls_bytes_bio(struct reef_tls *tls);

/* Bytes that are to be taken for received; copied. */
void reef_tls_bytes_preload(struct reef_tls *tls, const void *received, size_t n);
/* Bytes received, 0 at the end, -1 with errno; all that was fed has been used up. `*drained`: the kernel has no more. */
ssize_t reef_tls_bytes_receive(struct reef_tls *tls, bool *drained);
/* What receiving has left to be done of the connection that carries this one, bits of tls.h; forgotten then. */
int reef_tls_bytes_lower_wants(struct reef_tls *tls);
/* The thread's buffer is somebody else's from now on. */
void reef_tls_bytes_keep_feed(struct reef_tls *tls);

/* Bytes to be sent as they are. False: no memory. */
bool reef_tls_bytes_append(struct reef_tls *tls, const void *bytes, size_t n);
/* Sends what waits, and copies what the kernel does not take. 0 or an errno. */
int reef_tls_bytes_push(struct reef_tls *tls);
/* The same on the side, while reading or shaking hands. True: the rest goes when the kernel has room. What is wrong with
 * the connection shows when it is read. */
bool reef_tls_bytes_push_aside(struct reef_tls *tls);

#endif
