/* See ssl_ctx.h. Everything that is wrong is said in the words of the option that it comes from. */
#include "ssl_ctx.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "text.h"

struct failure {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static bool not_usable(const struct failure *f, const char *format, ...) {
	va_list args;
	va_start(args, format);
	vsnprintf(f->text, f->size, format, args);
	va_end(args);
	ERR_clear_error();
	return false;
}

static bool readable(const struct failure *f, const char *option, const char *path) {
	if (access(path, R_OK) == 0)
		return true;
	return not_usable(f, "tls: %s %s: %s", option, path, strerrordesc_np(errno));
}

/* Has the key that this thread is reading turned out to be encrypted? */
static _Thread_local bool password_wanted;

/* Without this OpenSSL would ask at the terminal. */
static int give_password(char *buffer, int size, int writing, void *ud) {
	const char *password = ud;
	(void)writing;
	password_wanted = true;
	size_t n = password ? strlen(password) : 0;
	if (password == NULL || n > (size_t)size)
		return -1;
	memcpy(buffer, password, n);
	return (int)n;
}

/* Is there a private key in this file, of whatever kind? */
static bool holds_key(const char *path) {
	char line[128];
	bool found = false;
	FILE *file = fopen(path, "re");
	while (file && !found && fgets(line, sizeof line, file))
		found = strncmp(line, "-----BEGIN ", 11) == 0 && strstr(line, "PRIVATE KEY-----");
	if (file)
		fclose(file);
	return found;
}

static bool use_key(SSL_CTX *ctx, const struct reef_tls_options *o, const struct failure *f) {
	const char *path = o->key_file ? o->key_file : o->cert_file;
	const char *option = o->key_file ? "key_file" : "cert_file";
	if (!readable(f, option, path))
		return false;
	if (!holds_key(path))
		return not_usable(f, "tls: %s %s holds no private key in PEM", option, path);
	password_wanted = false;
	if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1)
		return true;
	unsigned long error = ERR_peek_error();
	if (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH)
		return not_usable(f, "tls: the key in %s does not belong to the certificate in %s", path, o->cert_file);
	if (password_wanted && !o->password)
		return not_usable(f, "tls: the key in %s is encrypted and needs a password", path);
	if (password_wanted)
		return not_usable(f, "tls: the key in %s cannot be read; is the password right? (%s)", path,
						  reef_tls_text_reason());
	return not_usable(f, "tls: %s %s holds no key that can be read (%s)", option, path, reef_tls_text_reason());
}

static bool use_certificate(SSL_CTX *ctx, const struct reef_tls_options *o, const struct failure *f) {
	if (o->cert_file == NULL)
		return !o->server || not_usable(f, "tls: a server needs a certificate (cert_file)");
	if (!readable(f, "cert_file", o->cert_file))
		return false;
	if (SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1)
		return not_usable(f, "tls: cert_file %s holds no certificate that can be used (%s)", o->cert_file,
						  reef_tls_text_reason());
	return use_key(ctx, o, f);
}

static bool use_authorities(SSL_CTX *ctx, const struct reef_tls_options *o, const struct failure *f) {
	if (o->ca_file && !readable(f, "ca_file", o->ca_file))
		return false;
	if (o->ca_file && SSL_CTX_load_verify_file(ctx, o->ca_file) != 1)
		return not_usable(f, "tls: ca_file %s holds no certificate that can be read (%s)", o->ca_file,
						  reef_tls_text_reason());
	if (o->ca_dir && !readable(f, "ca_dir", o->ca_dir))
		return false;
	if (o->ca_dir && SSL_CTX_load_verify_dir(ctx, o->ca_dir) != 1)
		return not_usable(f, "tls: ca_dir %s: %s", o->ca_dir, reef_tls_text_reason());
	if (!o->ca_file && !o->ca_dir && SSL_CTX_set_default_verify_paths(ctx) != 1)
		return not_usable(f, "tls: the system's authorities cannot be read: %s", reef_tls_text_reason());
	if (o->partial_chain)
		X509_VERIFY_PARAM_set_flags(SSL_CTX_get0_param(ctx), X509_V_FLAG_PARTIAL_CHAIN);
	/* Which authorities a client should choose its certificate by. */
	if (o->server && o->ca_file)
		SSL_CTX_set_client_CA_list(ctx, SSL_load_client_CA_file(o->ca_file));
	return true;
}

/* RFC 7301, 3.2: the server's order counts. */
static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *size, const unsigned char *in,
						   unsigned n, void *ud) {
	const struct reef_tls_options *o = ud;
	(void)ssl;
	unsigned char *chosen;
	int found = SSL_select_next_proto(&chosen, size, (const unsigned char *)o->alpn, (unsigned)strlen(o->alpn), in, n);
	*out = chosen;
	return found == OPENSSL_NPN_NEGOTIATED ? SSL_TLSEXT_ERR_OK : SSL_TLSEXT_ERR_ALERT_FATAL;
}

static bool verifies(const struct reef_tls_options *o) {
	return o->server ? o->client_certificates != REEF_TLS_NO_CLIENT : !o->trust_anybody;
}

static bool configure(SSL_CTX *ctx, const struct reef_tls_options *o, reef_tls_new_session new_session,
					  const struct failure *f) {
	SSL_CTX_set_min_proto_version(ctx, o->only_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(ctx, give_password);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t)o->password);
	if (o->ciphers && SSL_CTX_set_cipher_list(ctx, o->ciphers) != 1)
		return not_usable(f, "tls: ciphers: nothing that is known in '%s'", o->ciphers);
	if (o->server) {
		/* Sessions go to the clients in tickets, nothing is kept here. */
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"reef", 4);
		if (o->alpn)
			SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, (void *)(uintptr_t)o);
	} else {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, new_session);
		if (o->alpn)
			SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)o->alpn, (unsigned)strlen(o->alpn));
	}
	return use_certificate(ctx, o, f) && (!verifies(o) || use_authorities(ctx, o, f));
}

SSL_CTX *reef_tls_ssl_ctx_new(const struct reef_tls_options *options, reef_tls_new_session new_session, char *error,
							  size_t error_size) {
	const struct failure f = {.text = error, .size = error_size};
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	if (ctx == NULL) {
		not_usable(&f, "tls: %s", reef_tls_text_reason());
		return NULL;
	}
	if (configure(ctx, options, new_session, &f))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}
