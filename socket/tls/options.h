/* How a side of TLS is configured, as a value. Pure functions, any thread. */
#ifndef REEF_SOCKET_TLS_OPTIONS_H
#define REEF_SOCKET_TLS_OPTIONS_H

#include <stdbool.h>

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

bool reef_tls_options_equal(const struct reef_tls_options *a, const struct reef_tls_options *b);
/* A copy with texts of its own, for reef_tls_options_fini. */
void reef_tls_options_copy(struct reef_tls_options *copy, const struct reef_tls_options *options);
/* Frees a copy's texts; the password is overwritten. */
void reef_tls_options_fini(struct reef_tls_options *copy);

#endif
