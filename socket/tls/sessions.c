/* See sessions.h. A few for each server, the servers in the order of their last use. */
#include "sessions.h"

#include <pthread.h>
#include <string.h>
#include <time.h>

#include "core/alloc.h"
#include "core/list.h"

#define SERVERS 256
#define FOR_EACH 8

struct server {
	struct reef_link link;
	char *where, *name;
	int n;
	SSL_SESSION *sessions[FOR_EACH]; /* oldest first */
};

struct reef_tls_sessions {
	pthread_mutex_t lock;
	struct reef_list servers; /* the one used last comes first */
};

struct reef_tls_sessions *reef_tls_sessions_new(void) {
	struct reef_tls_sessions *s = reef_calloc(1, sizeof *s);
	pthread_mutex_init(&s->lock, NULL);
	reef_list_init(&s->servers);
	return s;
}

static void server_delete(struct server *server) {
	for (int i = 0; i < server->n; i++)
		SSL_SESSION_free(server->sessions[i]);
	reef_free(server->where);
	reef_free(server->name);
	reef_free(server);
}

void reef_tls_sessions_clear(struct reef_tls_sessions *s) {
	pthread_mutex_lock(&s->lock);
	struct reef_link *link;
	while ((link = reef_list_pop(&s->servers)))
		server_delete(reef_list_entry(link, struct server, link));
	pthread_mutex_unlock(&s->lock);
}

void reef_tls_sessions_delete(struct reef_tls_sessions *s) {
	reef_tls_sessions_clear(s);
	pthread_mutex_destroy(&s->lock);
	reef_free(s);
}

/* Found, it becomes the first. Beyond the most that are kept, the last is forgotten on the way. */
static struct server *find_server(struct reef_tls_sessions *s, const char *where, const char *name) {
	int n = 0;
	for (struct reef_link *link = reef_list_first(&s->servers); link; link = reef_list_next(&s->servers, link)) {
		struct server *server = reef_list_entry(link, struct server, link);
		if (strcmp(server->where, where) == 0 && strcmp(server->name, name) == 0) {
			reef_link_remove(link);
			reef_list_push_front(&s->servers, link);
			return server;
		}
		if (++n == SERVERS) {
			reef_link_remove(link);
			server_delete(server);
			break;
		}
	}
	return NULL;
}

static void drop_oldest_session(struct server *server) {
	SSL_SESSION_free(server->sessions[0]);
	server->n--;
	memmove(server->sessions, server->sessions + 1, (size_t)server->n * sizeof server->sessions[0]);
}

void reef_tls_sessions_put(struct reef_tls_sessions *s, const char *where, const char *name, SSL_SESSION *session) {
	pthread_mutex_lock(&s->lock);
	struct server *server = find_server(s, where, name);
	if (server == NULL) {
		server = reef_calloc(1, sizeof *server);
		server->where = reef_strdup(where);
		server->name = reef_strdup(name);
		reef_list_push_front(&s->servers, &server->link);
	}
	if (server->n == FOR_EACH)
		drop_oldest_session(server);
	server->sessions[server->n++] = session;
	pthread_mutex_unlock(&s->lock);
}

static bool expired(const SSL_SESSION *session) {
	return (long)time(NULL) >= SSL_SESSION_get_time(session) + SSL_SESSION_get_timeout(session);
}

SSL_SESSION *reef_tls_sessions_take(struct reef_tls_sessions *s, const char *where, const char *name) {
	SSL_SESSION *session = NULL;
	pthread_mutex_lock(&s->lock);
	struct server *server = find_server(s, where, name);
	while (server && server->n > 0 && session == NULL) {
		session = server->sessions[server->n - 1];
		if (expired(session) || !SSL_SESSION_is_resumable(session)) {
			SSL_SESSION_free(session);
			session = NULL;
			server->n--;
		} else if (SSL_SESSION_get_protocol_version(session) >= TLS1_3_VERSION) {
			server->n--;
		} else {
			SSL_SESSION_up_ref(session);
		}
	}
	pthread_mutex_unlock(&s->lock);
	return session;
}
