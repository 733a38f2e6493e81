/* The handshake of a TLS connection: who the peer has to be, which session to resume, and the bytes back and forth. */
#include <arpa/inet.h>
#include <errno.h>
#include <openssl/err.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <string.h>

#include "socket/tls_connection.h"

static int verified(int ok, X509_STORE_CTX *store) {
	SSL *ssl = X509_STORE_CTX_get_ex_data(store, SSL_get_ex_data_X509_STORE_CTX_idx());
	struct reef_tls *tls = reef_tls_of_ssl(ssl);
	if (!ok && tls->text[0] == '\0')
		reef_tls_verify_text(tls->text, store, tls->where, tls->name);
	return ok;
}

static bool is_ip(const char *name) {
	unsigned char address[16];
	return inet_pton(AF_INET, name, address) == 1 || inet_pton(AF_INET6, name, address) == 1;
}

static bool begin_client(struct reef_tls *tls, const struct reef_tls_options *o) {
	SSL *ssl = tls->ssl;
	bool ip = is_ip(tls->name), ok = true;
	SSL_set_connect_state(ssl);
	/* RFC 6066, 3: names only. */
	if (!ip && tls->name[0])
		SSL_set_tlsext_host_name(ssl, tls->name);
	if (!o->trust_anybody && !o->any_name) {
		SSL_set_hostflags(ssl, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS);
		if (ip)
			ok = X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), tls->name) == 1;
		else
			ok = SSL_set1_host(ssl, tls->name) == 1;
	}
	SSL_set_verify(ssl, o->trust_anybody ? SSL_VERIFY_NONE : SSL_VERIFY_PEER, o->trust_anybody ? NULL : verified);
	SSL_SESSION *session = reef_tls_sessions_take(reef_tls_context_sessions(tls->context), tls->where, tls->name);
	if (session) {
		SSL_set_session(ssl, session);
		SSL_SESSION_free(session);
	}
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

static bool begin(struct reef_tls *tls) {
	const struct reef_tls_options *o = reef_tls_context_options(tls->context);
	tls->ssl = reef_tls_context_ssl(tls->context);
	BIO *bio = tls->ssl ? reef_tls_bio_new(tls) : NULL;
	if (bio == NULL)
		return false;
	SSL_set_bio(tls->ssl, bio, bio);
	if (!o->server)
		return begin_client(tls, o);
	begin_server(tls, o);
	return true;
}

int reef_tls_new_session(SSL *ssl, SSL_SESSION *session) {
	struct reef_tls *tls = reef_tls_of_ssl(ssl);
	if (!reef_tls_context_is_present(tls->context, ssl))
		return 0;
	reef_tls_sessions_put(reef_tls_context_sessions(tls->context), tls->where, tls->name, session);
	return 1;
}

/* The first bytes of a handshake are a record with a handshake message or an alert (RFC 8446, 5.1). */
static bool looks_like_tls(const struct reef_tls *tls) {
	unsigned char type = (unsigned char)tls->feed[0];
	return (type == SSL3_RT_HANDSHAKE || type == SSL3_RT_ALERT) && (tls->feed_size < 2 || tls->feed[1] == 3);
}

/* More for OpenSSL to read: 1, or 0: wait, or -1: failed, and `text` says why. */
static int feed_handshake(struct reef_slot *slot) {
	struct reef_tls *tls = slot->tls;
	bool drained;
	ssize_t n = reef_tls_receive(slot, &drained);
	if (n < 0 && errno == EAGAIN)
		return 0;
	if (n < 0)
		snprintf(tls->text, sizeof tls->text, "tls: handshake with %s: %s", tls->where, strerrordesc_np(errno));
	else if (n == 0)
		reef_tls_say(tls, "",
					 tls->heard ? " ended the connection in the middle of the handshake"
								: " ended the connection at the handshake (does it speak TLS?)");
	else if (!tls->heard && !looks_like_tls(tls))
		reef_tls_plain_text(tls->text, tls->where, tls->feed, tls->feed_size);
	tls->heard |= n > 0;
	return tls->text[0] ? -1 : 1;
}

static enum reef_tls_progress shake_hands(struct reef_slot *slot) {
	struct reef_tls *tls = slot->tls;
	ERR_clear_error();
	if (tls->ssl == NULL && !begin(tls)) {
		snprintf(tls->text, sizeof tls->text, "tls: %s", reef_tls_reason());
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
		reef_tls_push_aside(slot);
		int fed = feed_handshake(slot);
		if (fed <= 0)
			return fed == 0 ? REEF_TLS_WAITS : REEF_TLS_FAILED;
	}
}

enum reef_tls_progress reef_tls_handshake(struct reef_slot *slot) {
	enum reef_tls_progress progress = shake_hands(slot);
	reef_tls_push_aside(slot);
	reef_tls_keep_feed(slot->tls);
	if (progress == REEF_TLS_FAILED) {
		/* Closing with something unread would reset the connection, and the peer not hear our alert. */
		bool drained = false;
		for (int i = 0; i < 4 && !drained; i++)
			reef_tls_receive(slot, &drained);
		slot->tls->feed_size = 0;
		reef_tls_set_error(slot);
	}
	return progress;
}
