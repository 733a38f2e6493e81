/* See handshake.h. Who the peer has to be, and the bytes back and forth. */
#include "handshake.h"

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "bytes.h"
#include "tls_private.h"

static int verified(int ok, X509_STORE_CTX *store) {
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct reef_tls *tls = (struct reef_tls *)SSL_get_app_data(ssl);
	if (!ok && tls->text[0] == '\0')
		reef_tls_text_unverified(tls->text, store, tls->target.where, tls->target.name);
	return ok;
}

static bool is_ip(const char *name) {
	unsigned char address[16];
	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static bool begin_client(struct reef_tls *tls, const struct reef_tls_options *o) {
	SSL *ssl = tls->ssl;
	bool ip = is_ip(tls->target.name), ok = true;
	SSL_set_connect_state(ssl);
	/* RFC 6066, 3: names only. */
	if (!ip && tls->target.name[0])
		SSL_set_tlsext_host_name(ssl, tls->target.name);
	if (!o->trust_anybody && !o->any_name) {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		if (ip)
			ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), tls->target.name) == 1;
		else
			ok = SSL_set1_host(ssl, tls->target.name) == 1;
	}
	SSL_set_verify(ssl, o->trust_anybody ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, o->trust_anybody ? NULL : verified);
	reef_tls_context_resume(ssl);
	return ok;
}

static void begin_server(struct reef_tls *tls, const struct reef_tls_options *o) {
	int mode = SSL_VERIFY_NONE;
	if (o->client_certificates != REEF_TLS_NO_CLIENT)
		mode = SSL_VERIFY_PEER;
	if (o->client_certificates == REEF_TLS_REQUIRED_CLIENT)
		mode |= SSL_VERIFY_FAIL_IF_NO_PEER_CERT;
	SSL_set_accept_state(tls->ssl);
	SSL_set_verify(tls->ssl, mode, verified);
}

static bool begin_side(struct reef_tls *tls) {
	const struct reef_tls_options *o = reef_tls_context_options(tls->target.context);
	tls->ssl = reef_tls_context_ssl(&tls->target);
	BIO *bio = tls->ssl ? reef_tls_bytes_bio(tls) : NULL;
	if (bio == NULL)
		return false;
	SSL_set_bio(tls->ssl, bio, bio);
	if (!o->server)
		return begin_client(tls, o);
	begin_server(tls, o);
	return true;
}

/* The first bytes of a handshake are a record with a handshake message or an alert (RFC 8446, 5.1). */
static bool looks_like_tls(const struct reef_tls *tls) {
	unsigned char type = (unsigned char)tls->feed[0];
	return (type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT) && (tls->feed_size < 2 || tls->feed[1] == 3);
}

/* More for OpenSSL to read: 1, or 0: wait, or -1: failed, and `text` says why. */
static int feed_handshake(struct reef_tls *tls) {
	bool drained;
	ssize_t n = reef_tls_bytes_receive(tls, &drained);
	if (n < 0 && errno == EAGAIN)
		return 0;
	const char *below = tls->lower ? reef_tls_error(tls->lower) : NULL;
	if (n < 0 && below)
		snprintf(tls->text, sizeof tls->text, "%s", below);
	else if (n < 0)
		snprintf(tls->text, sizeof tls->text, "tls: handshake with %s: %s", tls->target.where, strerrordesc_np(errno));
	else if (n == 0)
		reef_tls_say(tls, "",
					 tls->heard ? " ended the connection in the middle of the handshake"
								: " ended the connection at the handshake (does it speak TLS?)");
	else if (!tls->heard && !looks_like_tls(tls))
		reef_tls_text_plain(tls->text, tls->target.where, tls->feed, tls->feed_size);
	tls->heard |= n > 0;
	return tls->text[0] ? -1 : 1;
}

static void push_answer(struct reef_tls *tls, int *wants) {
	if (reef_tls_bytes_push_aside(tls))
		*wants |= REEF_TLS_WANTS_ROOM;
}

static enum reef_tls_progress shake_hands(struct reef_tls *tls, int *wants) {
	ERR_clear_error();
	if (tls->ssl == NULL && !begin_side(tls)) {
		snprintf(tls->text, sizeof tls->text, "tls: %s", reef_tls_text_reason());
		return REEF_TLS_FAILED;
	}
	for (;;) {
		int result = SSL_do_handshake(tls->ssl);
		if (result == 1) {
			tls->established = true;
			return REEF_TLS_DONE;
		}
		if (SSL_get_error(tls->ssl, result) != SSL_ERROR_WANT_READ) {
			reef_tls_explain(tls);
			return REEF_TLS_FAILED;
		}
		push_answer(tls, wants);
		int fed = feed_handshake(tls);
		if (fed <= 0)
			return fed == 0 ? REEF_TLS_WAITS : REEF_TLS_FAILED;
	}
}

enum reef_tls_progress reef_tls_handshake(struct reef_tls *tls, int *wants) {
	enum reef_tls_progress progress = shake_hands(tls, wants);
	push_answer(tls, wants);
	reef_tls_bytes_keep_feed(tls);
	*wants |= reef_tls_bytes_lower_wants(tls);
	if (progress == REEF_TLS_FAILED) {
		/* Closing with something unread would reset the connection, and the peer not hear our alert. */
		bool drained = false;
		for (int i = 0; i < 4 && !drained; i++)
			reef_tls_bytes_receive(tls, &drained);
		tls->feed_size = 0;
		tls->broken = true;
	}
	return progress;
}
