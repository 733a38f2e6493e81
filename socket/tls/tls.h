/* A connection with TLS, by OpenSSL, over a descriptor that somebody else polls.
 *
 * OpenSSL sees neither the descriptor nor blocking: it is fed with what was received, and what it wants to send is
 * gathered and sent in one go. A connection is used by one thread at a time (its socket is locked); a listener's is only
 * the pattern for what it accepts.
 */
#ifndef REEF_SOCKET_TLS_H
#define REEF_SOCKET_TLS_H

#include <stdbool.h>
#include <sys/types.h>
#include <sys/uio.h>

#include "context.h"

struct reef_tls;

/* What a call leaves to be done. */
enum {
	REEF_TLS_WANTS_ROOM = 1, /* something encrypted waits: call again when the kernel takes more */
	REEF_TLS_WANTS_TURN = 2, /* call again, though the kernel will say nothing more */
};

/* The target is copied. */
struct reef_tls *reef_tls_new(const struct reef_tls_target *target);
/* A connection within an established one, which it takes: TLS through a proxy that speaks TLS. `lower` is in no other. */
struct reef_tls *reef_tls_new_within(struct reef_tls *lower, const struct reef_tls_target *target);
bool reef_tls_is_within(const struct reef_tls *tls);
/* The server's side of a connection that a listener with this TLS has accepted. */
struct reef_tls *reef_tls_accept(const struct reef_tls *listener, const char *peer);
/* NULL is allowed. The descriptor stays open. */
void reef_tls_delete(struct reef_tls *tls);
/* The connected descriptor, before anything else is done. */
void reef_tls_set_fd(struct reef_tls *tls, int fd);

bool reef_tls_is_server(const struct reef_tls *tls);
bool reef_tls_established(const struct reef_tls *tls);
/* Is the end of the handshake to be told to the owner? */
bool reef_tls_tells(const struct reef_tls *tls);
void reef_tls_set_tell(struct reef_tls *tls, bool tell);
uint64_t reef_tls_timeout_ns(const struct reef_tls *tls);
/* Encrypted bytes that the kernel has not taken, and how many of the application they stand for. */
size_t reef_tls_sealed(const struct reef_tls *tls);
size_t reef_tls_sealed_users(const struct reef_tls *tls);

/* As recv(2) and sendmsg(2), with the bytes of the application. EPROTO: reef_tls_error says what. What has been
 * encrypted but not sent goes before all else with the next call. `wants`: bits are added. */
ssize_t reef_tls_read(struct reef_tls *tls, char *buffer, size_t room, int *wants);
ssize_t reef_tls_send(struct reef_tls *tls, const struct iovec *iov, int n);

enum reef_tls_parting {
	REEF_TLS_PARTED,
	REEF_TLS_PARTS_UNSENT, /* once more when the kernel takes more, */
	REEF_TLS_PARTS_UNREAD, /* or also when something comes */
};
/* Everything has been sent: says goodbye. PARTED: the descriptor may be closed. */
enum reef_tls_parting reef_tls_part(struct reef_tls *tls);

/* The handshake has taken too long. */
void reef_tls_too_late(struct reef_tls *tls);
/* Why the connection is of no more use; NULL: it is not broken. */
const char *reef_tls_error(const struct reef_tls *tls);

struct reef_tls_info {
	char version[16], cipher[64], alpn[64], name[256];
	bool established, resumed, server;
	bool has_peer; /* the peer showed a certificate; the rest is about it */
	char subject[256], issuer[256], names[512], not_after[32], fingerprint[65]; /* SHA-256, hexadecimal */
};
void reef_tls_fill_info(const struct reef_tls *tls, struct reef_tls_info *info);

/* ---- for handshake.c ---- */

/* Sets the text of what went wrong: the peer's name between these. */
void reef_tls_say(struct reef_tls *tls, const char *before, const char *after);
/* The same, why the last call to OpenSSL failed, unless a callback has said so already. */
void reef_tls_explain(struct reef_tls *tls);

#endif
