/* Contexts: one SSL_CTX for each distinct configuration of the process.
 *
 * A list under a lock, with references. Contexts that nobody refers to any more are kept, the latest few, because
 * reading certificates is slow and a session to be resumed lives in its context. Files are read without the lock. A
 * reload puts another SSL_CTX in the place of the old one, which lives on in the connections that use it.
 */
#include <errno.h>
#include <openssl/err.h>
#include <openssl/ssl.h>
#include <pthread.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/log.h"
#include "socket/tls_private.h"

#define UNUSED_KEPT 16

enum { TEXTS = 7 };

struct reef_tls_context {
	struct reef_tls_context *next;
	size_t references;
	struct reef_tls_options options; /* its texts are `texts` */
	char *texts[TEXTS];
	SSL_CTX *ctx;
	struct reef_tls_sessions *sessions;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_tls_context *contexts; /* the latest first */

/* ---- options ---- */

static void texts_of(const struct reef_tls_options *o, const char *texts[TEXTS]) {
	texts[0] = o->ca_file;
	texts[1] = o->ca_dir;
	texts[2] = o->cert_file;
	texts[3] = o->key_file;
	texts[4] = o->password;
	texts[5] = o->ciphers;
	texts[6] = o->alpn;
}

static bool same_text(const char *a, const char *b) {
	return a == b || (a && b && strcmp(a, b) == 0);
}

static bool same(const struct reef_tls_options *a, const struct reef_tls_options *b) {
	const char *x[TEXTS], *y[TEXTS];
	texts_of(a, x);
	texts_of(b, y);
	for (int i = 0; i < TEXTS; i++) {
		if (!same_text(x[i], y[i]))
			return false;
	}
	return a->server == b->server && a->trust_anybody == b->trust_anybody && a->any_name == b->any_name &&
		   a->partial_chain == b->partial_chain && a->client_certificates == b->client_certificates &&
		   a->only_13 == b->only_13;
}

static void copy_options(struct reef_tls_context *context, const struct reef_tls_options *options) {
	struct reef_tls_options *o = &context->options;
	const char *texts[TEXTS];
	texts_of(options, texts);
	for (int i = 0; i < TEXTS; i++)
		context->texts[i] = texts[i] ? reef_strdup(texts[i]) : NULL;
	*o = *options;
	o->ca_file = context->texts[0];
	o->ca_dir = context->texts[1];
	o->cert_file = context->texts[2];
	o->key_file = context->texts[3];
	o->password = context->texts[4];
	o->ciphers = context->texts[5];
	o->alpn = context->texts[6];
}

/* ---- from options to an SSL_CTX ---- */

struct failure {
	char *text;
	size_t size;
};

__attribute__((format(printf, 2, 3))) static bool fail(const struct failure *f, const char *format, ...) {
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
	return fail(f, "tls: %s %s: %s", option, path, strerrordesc_np(errno));
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
		return fail(f, "tls: %s %s holds no private key in PEM", option, path);
	password_wanted = false;
	if (SSL_CTX_use_PrivateKey_file(ctx, path, SSL_FILETYPE_PEM) == 1)
		return true;
	unsigned long error = ERR_peek_error();
	if (ERR_GET_LIB(error) == ERR_LIB_X509 && ERR_GET_REASON(error) == X509_R_KEY_VALUES_MISMATCH)
		return fail(f, "tls: the key in %s does not belong to the certificate in %s", path, o->cert_file);
	if (password_wanted && !o->password)
		return fail(f, "tls: the key in %s is encrypted and needs a password", path);
	if (password_wanted)
		return fail(f, "tls: the key in %s cannot be read; is the password right? (%s)", path, reef_tls_reason());
	return fail(f, "tls: %s %s holds no key that can be read (%s)", option, path, reef_tls_reason());
}

static bool use_certificate(SSL_CTX *ctx, const struct reef_tls_options *o, const struct failure *f) {
	if (o->cert_file == NULL)
		return !o->server || fail(f, "tls: a server needs a certificate (cert_file)");
	if (!readable(f, "cert_file", o->cert_file))
		return false;
	if (SSL_CTX_use_certificate_chain_file(ctx, o->cert_file) != 1)
		return fail(f, "tls: cert_file %s holds no certificate that can be used (%s)", o->cert_file, reef_tls_reason());
	return use_key(ctx, o, f);
}

static bool use_authorities(SSL_CTX *ctx, const struct reef_tls_options *o, const struct failure *f) {
	if (o->ca_file && !readable(f, "ca_file", o->ca_file))
		return false;
	if (o->ca_file && SSL_CTX_load_verify_file(ctx, o->ca_file) != 1)
		return fail(f, "tls: ca_file %s holds no certificate that can be read (%s)", o->ca_file, reef_tls_reason());
	if (o->ca_dir && !readable(f, "ca_dir", o->ca_dir))
		return false;
	if (o->ca_dir && SSL_CTX_load_verify_dir(ctx, o->ca_dir) != 1)
		return fail(f, "tls: ca_dir %s: %s", o->ca_dir, reef_tls_reason());
	if (!o->ca_file && !o->ca_dir && SSL_CTX_set_default_verify_paths(ctx) != 1)
		return fail(f, "tls: the system's authorities cannot be read: %s", reef_tls_reason());
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

static bool configure(SSL_CTX *ctx, const struct reef_tls_options *o, const struct failure *f) {
	SSL_CTX_set_min_proto_version(ctx, o->only_13 ? TLS1_3_VERSION : TLS1_2_VERSION);
	SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION);
	SSL_CTX_set_mode(ctx, SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER | SSL_MODE_RELEASE_BUFFERS);
	SSL_CTX_set_default_passwd_cb(ctx, give_password);
	SSL_CTX_set_default_passwd_cb_userdata(ctx, (void *)(uintptr_t)o->password);
	if (o->ciphers && SSL_CTX_set_cipher_list(ctx, o->ciphers) != 1)
		return fail(f, "tls: ciphers: nothing that is known in '%s'", o->ciphers);
	if (o->server) {
		/* Sessions go to the clients in tickets, nothing is kept here. */
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_OFF);
		SSL_CTX_set_session_id_context(ctx, (const unsigned char *)"reef", 4);
		if (o->alpn)
			SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, (void *)(uintptr_t)o);
	} else {
		SSL_CTX_set_session_cache_mode(ctx, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
		SSL_CTX_sess_set_new_cb(ctx, reef_tls_new_session);
		if (o->alpn)
			SSL_CTX_set_alpn_protos(ctx, (const unsigned char *)o->alpn, (unsigned)strlen(o->alpn));
	}
	return use_certificate(ctx, o, f) && (!verifies(o) || use_authorities(ctx, o, f));
}

/* NULL: `f` says why. */
static SSL_CTX *read_files(const struct reef_tls_options *options, const struct failure *f) {
	ERR_clear_error();
	SSL_CTX *ctx = SSL_CTX_new(TLS_method());
	if (ctx == NULL) {
		fail(f, "tls: %s", reef_tls_reason());
		return NULL;
	}
	if (configure(ctx, options, f))
		return ctx;
	SSL_CTX_free(ctx);
	return NULL;
}

/* ---- the list ---- */

static void context_delete(struct reef_tls_context *context) {
	SSL_CTX_free(context->ctx);
	reef_tls_sessions_delete(context->sessions);
	if (context->texts[4])
		OPENSSL_cleanse(context->texts[4], strlen(context->texts[4]));
	for (int i = 0; i < TEXTS; i++)
		reef_free(context->texts[i]);
	reef_free(context);
}

static struct reef_tls_context *find(const struct reef_tls_options *options) {
	for (struct reef_tls_context *c = contexts; c; c = c->next) {
		if (same(&c->options, options)) {
			c->references++;
			return c;
		}
	}
	return NULL;
}

static void warn_once(const struct reef_tls_options *o) {
	if (!o->server && o->trust_anybody)
		reef_log(0, "warning: tls: servers are not verified (verify = false): anybody on the way can read and change "
					"what is sent");
	else if (!o->server && o->any_name)
		reef_log(0, "warning: tls: names of servers are not verified (verify_host = false)");
}

struct reef_tls_context *reef_tls_context_get(const struct reef_tls_options *options, char *error, size_t error_size) {
	const struct failure f = {.text = error, .size = error_size};
	pthread_mutex_lock(&lock);
	struct reef_tls_context *found = find(options);
	pthread_mutex_unlock(&lock);
	if (found)
		return found;
	struct reef_tls_context *context = reef_calloc(1, sizeof *context);
	context->references = 1;
	context->sessions = reef_tls_sessions_new();
	copy_options(context, options);
	context->ctx = read_files(&context->options, &f);
	if (context->ctx == NULL) {
		context_delete(context);
		return NULL;
	}
	pthread_mutex_lock(&lock);
	found = find(options);
	if (found == NULL) {
		context->next = contexts;
		contexts = context;
	}
	pthread_mutex_unlock(&lock);
	if (found) {
		context_delete(context);
		return found;
	}
	warn_once(options);
	return context;
}

void reef_tls_context_ref(struct reef_tls_context *context) {
	pthread_mutex_lock(&lock);
	context->references++;
	pthread_mutex_unlock(&lock);
}

/* The oldest of those that nobody uses, when there are too many. */
static struct reef_tls_context *take_surplus(void) {
	struct reef_tls_context **oldest = NULL;
	int n = 0;
	for (struct reef_tls_context **link = &contexts; *link; link = &(*link)->next) {
		if ((*link)->references == 0) {
			oldest = link;
			n++;
		}
	}
	if (n <= UNUSED_KEPT)
		return NULL;
	struct reef_tls_context *surplus = *oldest;
	*oldest = surplus->next;
	return surplus;
}

void reef_tls_context_unref(struct reef_tls_context *context) {
	struct reef_tls_context *surplus = NULL;
	pthread_mutex_lock(&lock);
	if (--context->references == 0)
		surplus = take_surplus();
	pthread_mutex_unlock(&lock);
	if (surplus)
		context_delete(surplus);
}

/* All contexts, each with a reference; the caller's block. */
static struct reef_tls_context **all(size_t *n) {
	*n = 0;
	pthread_mutex_lock(&lock);
	for (struct reef_tls_context *c = contexts; c; c = c->next)
		++*n;
	struct reef_tls_context **list = reef_calloc(*n + 1, sizeof(struct reef_tls_context *));
	size_t i = 0;
	for (struct reef_tls_context *c = contexts; c; c = c->next) {
		c->references++;
		list[i++] = c;
	}
	pthread_mutex_unlock(&lock);
	return list;
}

/* Who needs them again reads them again. */
static void forget_unused(void) {
	struct reef_tls_context *unused = NULL;
	pthread_mutex_lock(&lock);
	for (struct reef_tls_context **link = &contexts; *link;) {
		struct reef_tls_context *context = *link;
		if (context->references > 0) {
			link = &context->next;
			continue;
		}
		*link = context->next;
		context->next = unused;
		unused = context;
	}
	pthread_mutex_unlock(&lock);
	while (unused) {
		struct reef_tls_context *context = unused;
		unused = context->next;
		context_delete(context);
	}
}

size_t reef_tls_reload(size_t *failed, char *error, size_t error_size) {
	size_t n, done = 0;
	char text[REEF_TLS_TEXT] = "";
	const struct failure f = {.text = text, .size = sizeof text};
	forget_unused();
	struct reef_tls_context **list = all(&n);
	*failed = 0;
	error[0] = '\0';
	for (size_t i = 0; i < n; i++) {
		SSL_CTX *ctx = read_files(&list[i]->options, &f);
		if (ctx) {
			pthread_mutex_lock(&lock);
			SSL_CTX *old = list[i]->ctx;
			list[i]->ctx = ctx;
			pthread_mutex_unlock(&lock);
			SSL_CTX_free(old);
			/* Who was trusted by the old files is to be looked at again. */
			reef_tls_sessions_clear(list[i]->sessions);
			done++;
		} else if (++*failed == 1) {
			snprintf(error, error_size, "%s", text);
		}
		reef_tls_context_unref(list[i]);
	}
	reef_free(list);
	return done;
}

/* ---- for connections ---- */

SSL *reef_tls_context_ssl(struct reef_tls_context *context) {
	pthread_mutex_lock(&lock);
	SSL_CTX *ctx = context->ctx;
	SSL_CTX_up_ref(ctx);
	pthread_mutex_unlock(&lock);
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	return ssl;
}

bool reef_tls_context_is_present(struct reef_tls_context *context, const SSL *ssl) {
	pthread_mutex_lock(&lock);
	bool present = SSL_get_SSL_CTX(ssl) == context->ctx;
	pthread_mutex_unlock(&lock);
	return present;
}

const struct reef_tls_options *reef_tls_context_options(const struct reef_tls_context *context) {
	return &context->options;
}

struct reef_tls_sessions *reef_tls_context_sessions(struct reef_tls_context *context) {
	return context->sessions;
}
