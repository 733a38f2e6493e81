/* TLS for stream sockets, by OpenSSL.
 *
 * A *context* is a configuration with its certificates: one per distinct configuration for the whole process, shared by
 * all services. A *target* is what a socket needs to speak TLS: a context and who the peer is to be. The connection
 * itself belongs to its socket (tls_private.h). A socket with TLS behaves as any other: sinks and writers see only what
 * the peer's application says and hears.
 *
 * All functions: any thread. Errors are complete sentences without "tls: " before them unless they say so.
 */
#ifndef REEF_SOCKET_TLS_H
#define REEF_SOCKET_TLS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct reef_tls_context;

enum reef_tls_client_certificates { REEF_TLS_NO_CLIENT, REEF_TLS_OPTIONAL_CLIENT, REEF_TLS_REQUIRED_CLIENT };

/* Texts may be NULL. */
struct reef_tls_options {
	bool server;
	bool trust_anybody; /* a client does not verify the server's certificate at all */
	bool any_name;      /* a client does not verify that the certificate is for the server's name */
	bool partial_chain; /* any certificate among the authorities is trusted, not only self-signed ones */
	enum reef_tls_client_certificates client_certificates; /* what a server wants */
	bool only_13;                                          /* TLS 1.3; else 1.2 and newer */
	const char *ca_file, *ca_dir;                          /* neither: the system's authorities */
	const char *cert_file, *key_file;                      /* PEM; without key_file the key is in cert_file */
	const char *password;                                  /* of an encrypted key */
	const char *ciphers;                                   /* of TLS 1.2, as OpenSSL writes them */
	const char *alpn;                                      /* protocol names, each behind a byte with its length */
};

/* The context of these options, read from files if there is none yet, with a reference for the caller; NULL with the
 * reason at `error`, beginning with "tls: ". Blocks while files are read. */
struct reef_tls_context *reef_tls_context_get(const struct reef_tls_options *options, char *error, size_t error_size);
void reef_tls_context_ref(struct reef_tls_context *context);
void reef_tls_context_unref(struct reef_tls_context *context);

/* Reads the files of all contexts that are in use again. Connections that exist stay as they are, new ones use what was read; where
 * something is wrong the old certificates stay. How many were read; those that failed are counted at `*failed`, and
 * the first reason is at `error`. */
size_t reef_tls_reload(size_t *failed, char *error, size_t error_size);

struct reef_tls_target {
	struct reef_tls_context *context;
	const char *name;    /* a client's: who the certificate has to be for; also sent as SNI unless it is an IP */
	const char *where;   /* a client's: the server, for texts */
	uint64_t timeout_ns; /* of a handshake that has no deadline by a connect; 0: config `socket_handshake_timeout` */
};

/* From now on this socket speaks TLS; the target is copied.
 *
 * After reef_socket_open: `opened` comes when the handshake is done, within the deadline of the connect. On a listener:
 * what it accepts is a server's side, whose handshake begins with reef_socket_start. On an established connection, the
 * role being the context's: queued output leaves unencrypted first, and the n bytes that the caller has already received
 * belong to the handshake; `opened` follows, or `failed`. False: no stream socket of this service, or it has TLS. */
bool reef_socket_use_tls(int id, const struct reef_tls_target *target, const void *received, size_t n);

struct reef_tls_info {
	char version[16], cipher[64], alpn[64], name[256];
	bool established, resumed, server;
	bool has_peer; /* the peer showed a certificate; the rest is about it */
	char subject[256], issuer[256], names[512], not_after[32], fingerprint[65]; /* SHA-256, hexadecimal */
};

/* False: no such socket, or no TLS on it. */
bool reef_socket_tls_info(int id, struct reef_tls_info *info);

#endif
