/* See context.h.
 *
 * A list under a lock, with references. Contexts that nobody refers to any more are kept, the latest few, because
 * reading certificates is slow and a session to be resumed lives in its context. Files are read without the lock. A
 * reload puts another SSL_CTX in the place of the old one, which lives on in the connections that use it.
 */
#include "context.h"

#include <pthread.h>
#include <stdio.h>

#include "core/alloc.h"
#include "core/array.h"
#include "core/list.h"
#include "core/log.h"
#include "sessions.h"
#include "ssl_ctx.h"
#include "text.h"

#define UNUSED_KEPT 16

struct reef_tls_context {
	struct reef_link link; /* in `contexts` */
	size_t references;
	struct reef_tls_options options;
	SSL_CTX *ctx;
	struct reef_tls_sessions *sessions;
};

static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static struct reef_list contexts = {{&contexts.head, &contexts.head}}; /* the latest first */

static struct reef_tls_context *context_context_of(struct reef_link *link) {
	return reef_list_entry(link, struct reef_tls_context, link);
}

/* ---- sessions ---- */

/* Was it made of these certificates, or of what a reload has replaced? */
static bool is_present(struct reef_tls_context *context, const SSL *ssl) {
	pthread_mutex_lock(&lock);
	bool present = SSL_get_SSL_CTX(ssl) == context->ctx;
	pthread_mutex_unlock(&lock);
	return present;
}

static int keep_session(SSL *ssl, SSL_SESSION *session) {
	const struct reef_tls_target *target = SSL_get_app_data(ssl);
	if (!is_present(target->context, ssl))
		return 0;
	reef_tls_sessions_put(target->context->sessions, target->where, target->name, session);
	return 1;
}

/* ---- the list ---- */

static void context_delete(struct reef_tls_context *context) {
	SSL_CTX_free(context->ctx);
	reef_tls_sessions_delete(context->sessions);
	reef_tls_options_fini(&context->options);
	reef_free(context);
}

/* Locked. With a reference. */
static struct reef_tls_context *find_context(const struct reef_tls_options *options) {
	for (struct reef_link *link = reef_list_first(&contexts); link; link = reef_list_next(&contexts, link)) {
		struct reef_tls_context *context = context_context_of(link);
		if (reef_tls_options_equal(&context->options, options)) {
			context->references++;
			return context;
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
	pthread_mutex_lock(&lock);
	struct reef_tls_context *found = find_context(options);
	pthread_mutex_unlock(&lock);
	if (found)
		return found;
	struct reef_tls_context *context = reef_calloc(1, sizeof *context);
	context->references = 1;
	context->sessions = reef_tls_sessions_new();
	reef_tls_options_copy(&context->options, options);
	context->ctx = reef_tls_ssl_ctx_new(&context->options, keep_session, error, error_size);
	if (context->ctx == NULL) {
		context_delete(context);
		return NULL;
	}
	pthread_mutex_lock(&lock);
	found = find_context(options);
	if (found == NULL)
		reef_list_push_front(&contexts, &context->link);
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
	struct reef_tls_context *oldest = NULL;
	int n = 0;
	for (struct reef_link *link = reef_list_first(&contexts); link; link = reef_list_next(&contexts, link)) {
		if (context_context_of(link)->references == 0) {
			oldest = context_context_of(link);
			n++;
		}
	}
	if (n <= UNUSED_KEPT)
		return NULL;
	reef_link_remove(&oldest->link);
	return oldest;
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

struct context_list REEF_ARRAY(struct reef_tls_context *);

/* All that are in use, each with one more reference; out of memory: some. */
static void refer_to_all(struct context_list *list) {
	pthread_mutex_lock(&lock);
	for (struct reef_link *link = reef_list_first(&contexts); link; link = reef_list_next(&contexts, link)) {
		struct reef_tls_context **item = reef_array_add(list);
		if (item == NULL)
			break;
		*item = context_context_of(link);
		(*item)->references++;
	}
	pthread_mutex_unlock(&lock);
}

/* Who needs them again reads them again. */
static void forget_unused(void) {
	struct reef_list unused;
	reef_list_init(&unused);
	pthread_mutex_lock(&lock);
	for (struct reef_link *link = reef_list_first(&contexts), *next; link; link = next) {
		next = reef_list_next(&contexts, link);
		if (context_context_of(link)->references > 0)
			continue;
		reef_link_remove(link);
		reef_list_push(&unused, link);
	}
	pthread_mutex_unlock(&lock);
	struct reef_link *link;
	while ((link = reef_list_pop(&unused)))
		context_delete(context_context_of(link));
}

/* False: `error` says why, and the old certificates stay. */
static bool read_again(struct reef_tls_context *context, char *error, size_t error_size) {
	SSL_CTX *ctx = reef_tls_ssl_ctx_new(&context->options, keep_session, error, error_size);
	if (ctx == NULL)
		return false;
	pthread_mutex_lock(&lock);
	SSL_CTX *old = context->ctx;
	context->ctx = ctx;
	pthread_mutex_unlock(&lock);
	SSL_CTX_free(old);
	/* Who was trusted by the old files is to be looked at again. */
	reef_tls_sessions_clear(context->sessions);
	return true;
}

size_t reef_tls_context_reload_all(size_t *failed, char *error, size_t error_size) {
	size_t done = 0;
	char text[REEF_TLS_TEXT] = "";
	struct context_list list = {.items = NULL};
	forget_unused();
	refer_to_all(&list);
	*failed = 0;
	error[0] = '\0';
	for (size_t i = 0; i < list.count; i++) {
		if (read_again(list.items[i], text, sizeof text))
			done++;
		else if (++*failed == 1)
			snprintf(error, error_size, "%s", text);
		reef_tls_context_unref(list.items[i]);
	}
	reef_array_fini(&list);
	return done;
}

/* ---- for connections ---- */

SSL *reef_tls_context_ssl(struct reef_tls_target *target) {
	struct reef_tls_context *context = target->context;
	pthread_mutex_lock(&lock);
	SSL_CTX *ctx = context->ctx;
	SSL_CTX_up_ref(ctx);
	pthread_mutex_unlock(&lock);
	SSL *ssl = SSL_new(ctx);
	SSL_CTX_free(ctx);
	if (ssl)
		SSL_set_app_data(ssl, target);
	return ssl;
}

void reef_tls_context_resume(SSL *ssl) {
	const struct reef_tls_target *target = SSL_get_app_data(ssl);
	SSL_SESSION *session = reef_tls_sessions_take(target->context->sessions, target->where, target->name);
	if (session == NULL)
		return;
	SSL_set_session(ssl, session);
	SSL_SESSION_free(session);
}

const struct reef_tls_options *reef_tls_context_options(const struct reef_tls_context *context) {
	return &context->options;
}
