/* See tls.h. The life of a connection, reading and writing, and its end.
 *
 * Records are made only when nothing encrypted waits, at most REEF_TLS_BATCH bytes of them: what waits in the socket's
 * queues stays in its order, and unencrypted, until then.
 */
#include "tls.h"
#include "core/sim.h"

#include <errno.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "bytes.h"
#include "core/alloc.h"
#include "core/env.h"
#include "tls_private.h"

/* One call receives this often at most: what a peer sends without saying anything, like updates of keys, has no end. */
#define RECEIVES 16
/* Answers of TLS itself that the peer does not read. */
#define MOST_ANSWERS (1024 * 1024)

static _Thread_local char gather_buffer[REEF_TLS_RECORD];

/* ---- life ---- */

struct reef_tls *reef_tls_new(const struct reef_tls_target *target) {
	if (reef_sim_on)
		reef_sim_refuse("TLS, whose library draws its own chance,");
	struct reef_tls *tls = reef_calloc(1, sizeof *tls);
	tls->target = *target;
	reef_tls_context_ref(target->context);
	tls->target.name = reef_strdup(target->name ? target->name : "");
	tls->target.where = reef_strdup(target->where ? target->where : "the peer");
	tls->fd = -1;
	return tls;
}

struct reef_tls *reef_tls_new_within(struct reef_tls *lower, const struct reef_tls_target *target) {
	struct reef_tls *tls = reef_tls_new(target);
	tls->lower = lower;
	return tls;
}

bool reef_tls_is_within(const struct reef_tls *tls) {
	return tls->lower != NULL;
}

struct reef_tls *reef_tls_accept(const struct reef_tls *listener, const char *peer) {
	struct reef_tls_target target = listener->target;
	target.name = NULL;
	target.where = peer;
	return reef_tls_new(&target);
}

void reef_tls_delete(struct reef_tls *tls) {
	if (tls == NULL)
		return;
	reef_tls_delete(tls->lower);
	SSL_free(tls->ssl);
	reef_tls_context_unref(tls->target.context);
	reef_free(tls->kept);
	if (tls->out.own)
		reef_free(tls->out.data);
	reef_free((char *)(uintptr_t)tls->target.name);
	reef_free((char *)(uintptr_t)tls->target.where);
	reef_free(tls);
}

void reef_tls_set_fd(struct reef_tls *tls, int fd) {
	tls->fd = fd;
}

bool reef_tls_is_server(const struct reef_tls *tls) {
	return reef_tls_context_options(tls->target.context)->server;
}

bool reef_tls_established(const struct reef_tls *tls) {
	return tls->established;
}

bool reef_tls_tells(const struct reef_tls *tls) {
	return tls->tell;
}

void reef_tls_set_tell(struct reef_tls *tls, bool tell) {
	tls->tell = tell;
}

uint64_t reef_tls_timeout_ns(const struct reef_tls *tls) {
	if (tls->target.timeout_ns != 0)
		return tls->target.timeout_ns;
	return (uint64_t)reef_env_int("socket_handshake_timeout", 1000) * 10000000u;
}

size_t reef_tls_sealed(const struct reef_tls *tls) {
	return tls->out.end - tls->out.begin + (tls->lower ? reef_tls_sealed(tls->lower) : 0);
}

size_t reef_tls_sealed_users(const struct reef_tls *tls) {
	return tls->sealed_users + (tls->lower ? reef_tls_sealed_users(tls->lower) : 0);
}

/* ---- what went wrong ---- */

static ssize_t broken(struct reef_tls *tls) {
	tls->broken = true;
	errno = EPROTO;
	return -1;
}

const char *reef_tls_error(const struct reef_tls *tls) {
	if (tls->broken)
		return tls->text;
	return tls->lower ? reef_tls_error(tls->lower) : NULL;
}

void reef_tls_say(struct reef_tls *tls, const char *before, const char *after) {
	snprintf(tls->text, sizeof tls->text, "tls: %s%s%s", before, tls->target.where, after);
}

void reef_tls_explain(struct reef_tls *tls) {
	if (tls->text[0] == '\0')
		reef_tls_text_failure(tls->text, tls->target.where, reef_tls_is_server(tls), tls->established);
	ERR_clear_error();
}

void reef_tls_too_late(struct reef_tls *tls) {
	reef_tls_say(tls, "",
				 tls->heard ? " did not finish the handshake in time"
							: " did not answer the handshake in time (does it speak TLS?)");
	tls->broken = true;
}

/* ---- data ---- */

/* Fills the buffer with what can be had now: bytes, and in *error an errno when there are none (0: the end). */
static size_t decrypt(struct reef_tls *tls, char *buffer, size_t room, int *error, int *wants) {
	size_t got = 0;
	bool drained = false;
	int receives = 0;
	*error = EAGAIN;
	while (got < room) {
		if (tls->feed_size == 0 && SSL_pending(tls->ssl) == 0) {
			/* A short read says that the kernel has no more, but not that nothing ends behind it: with bytes to return
			 * the caller comes again if he knows of an end, without he does not. */
			if (drained && got > 0)
				break;
			if (++receives > RECEIVES) {
				*wants |= REEF_TLS_WANTS_TURN;
				break;
			}
			ssize_t n = reef_tls_bytes_receive(tls, &drained);
			if (n <= 0) {
				if (n < 0)
					*error = errno;
				break;
			}
		}
		size_t n;
		if (SSL_read_ex(tls->ssl, buffer + got, room - got, &n)) {
			got += n;
			continue;
		}
		int why = SSL_get_error(tls->ssl, 0);
		if (why == SSL_ERROR_WANT_READ)
			continue;
		if (why == SSL_ERROR_ZERO_RETURN) {
			tls->ended = true;
		} else {
			tls->broken = true;
			reef_tls_explain(tls);
		}
		break;
	}
	return got;
}

ssize_t reef_tls_read(struct reef_tls *tls, char *buffer, size_t room, int *wants) {
	int error = EAGAIN;
	if (!tls->established)
		return errno = EAGAIN, -1;
	size_t got = 0;
	if (!tls->ended && !tls->broken && !tls->cut) {
		ERR_clear_error();
		got = decrypt(tls, buffer, room, &error, wants);
		if (reef_tls_bytes_push_aside(tls))
			*wants |= REEF_TLS_WANTS_ROOM;
		reef_tls_bytes_keep_feed(tls);
		*wants |= reef_tls_bytes_lower_wants(tls);
		if (reef_tls_sealed(tls) > reef_tls_sealed_users(tls) + MOST_ANSWERS) {
			reef_tls_say(tls, "", " does not read what it asks for");
			tls->broken = true;
		}
	}
	bool over = tls->ended || tls->broken || tls->cut;
	if (got > 0) {
		/* The kernel says nothing more of an end that we have seen already. */
		if (over || (error != EAGAIN && error != 0))
			*wants |= REEF_TLS_WANTS_TURN;
		return (ssize_t)got;
	}
	if (tls->ended)
		return 0;
	if (tls->cut && !tls->broken)
		reef_tls_say(tls, "", " ended the connection without saying so: something may be missing");
	if (over)
		return broken(tls);
	errno = error;
	return -1;
}

/* The next bytes for a record: from a vector as they are, or of several small ones gathered. */
static const char *next_chunk(const struct iovec **iov, int *n, size_t *offset, size_t *size) {
	const struct iovec *v = *iov;
	size_t left = v->iov_len - *offset;
	if (left >= REEF_TLS_RECORD || *n == 1) {
		const char *bytes = (const char *)v->iov_base + *offset;
		*size = left < REEF_TLS_RECORD ? left : REEF_TLS_RECORD;
		*offset += *size;
		if (*offset == v->iov_len)
			*iov += 1, *n -= 1, *offset = 0;
		return bytes;
	}
	*size = 0;
	while (*n > 0 && *size < REEF_TLS_RECORD) {
		v = *iov;
		left = v->iov_len - *offset;
		size_t take = left < REEF_TLS_RECORD - *size ? left : REEF_TLS_RECORD - *size;
		memcpy(gather_buffer + *size, (const char *)v->iov_base + *offset, take);
		*size += take;
		*offset += take;
		if (*offset == v->iov_len)
			*iov += 1, *n -= 1, *offset = 0;
	}
	return gather_buffer;
}

ssize_t reef_tls_send(struct reef_tls *tls, const struct iovec *iov, int n) {
	if (!tls->established)
		return errno = EAGAIN, -1;
	if (reef_tls_sealed(tls) > 0) {
		int error = reef_tls_bytes_push(tls);
		if (error != 0 || reef_tls_sealed(tls) > 0)
			return errno = error ? error : EAGAIN, -1;
	}
	size_t total = 0, offset = 0;
	if (n > 0)
		ERR_clear_error();
	while (n > 0 && total < REEF_TLS_BATCH && tls->last_mark < REEF_TLS_MARKS) {
		size_t size, written;
		const char *bytes = next_chunk(&iov, &n, &offset, &size);
		if (size == 0)
			continue;
		if (!SSL_write_ex(tls->ssl, bytes, size, &written)) {
			reef_tls_explain(tls);
			return broken(tls);
		}
		tls->marks[tls->last_mark++] = (struct reef_tls_mark){.end = tls->out.end, .users = size};
		tls->sealed_users += size;
		total += size;
	}
	int error = reef_tls_bytes_push(tls);
	if (error != 0)
		return errno = error, -1;
	return (ssize_t)total;
}

/* ---- the end ---- */

/* Bytes that nobody will read, such as a session ticket, would make close(2) reset the connection and drop what it
 * still has to deliver. True: there is nothing to fear. */
static bool safe_to_close(struct reef_tls *tls) {
	bool drained = false;
	ssize_t n = 1;
	for (int i = 0; i < 64 && !drained; i++)
		n = reef_tls_bytes_receive(tls, &drained);
	tls->feed_size = 0;
	int unsent = 0;
	return n == 0 || (n < 0 && errno != EAGAIN) || ioctl(tls->fd, SIOCOUTQ, &unsent) != 0 || unsent == 0;
}

enum reef_tls_parting reef_tls_part(struct reef_tls *tls) {
	if (!tls->established || tls->broken)
		return REEF_TLS_PARTED;
	if (!tls->parted) {
		tls->parted = true;
		ERR_clear_error();
		(void)SSL_shutdown(tls->ssl);
		ERR_clear_error();
	}
	if (reef_tls_sealed(tls) > 0) {
		if (reef_tls_bytes_push(tls) != 0)
			return REEF_TLS_PARTED;
		if (reef_tls_sealed(tls) > 0)
			return REEF_TLS_PARTS_UNSENT;
	}
	if (tls->lower)
		return reef_tls_part(tls->lower);
	if (!tls->silent) {
		tls->silent = true;
		shutdown(tls->fd, SHUT_WR);
	}
	return safe_to_close(tls) ? REEF_TLS_PARTED : REEF_TLS_PARTS_UNREAD;
}

/* ---- what it is ---- */

static void fill_peer(X509 *peer, struct reef_tls_info *info) {
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	struct tm tm;
	info->has_peer = true;
	X509_NAME_oneline(X509_get_subject_name(peer), info->subject, sizeof info->subject);
	X509_NAME_oneline(X509_get_issuer_name(peer), info->issuer, sizeof info->issuer);
	reef_tls_text_names(peer, info->names, sizeof info->names);
	if (ASN1_TIME_to_tm(X509_get0_notAfter(peer), &tm))
		strftime(info->not_after, sizeof info->not_after, "%Y-%m-%dT%H:%M:%SZ", &tm);
	if (X509_digest(peer, EVP_sha256(), digest, &size)) {
		for (unsigned i = 0; i < size && i < 32; i++)
			snprintf(info->fingerprint + 2 * (size_t)i, 3, "%02x", digest[i]);
	}
}

void reef_tls_fill_info(const struct reef_tls *tls, struct reef_tls_info *info) {
	const unsigned char *alpn = NULL;
	unsigned alpn_size = 0;
	*info = (struct reef_tls_info){.established = tls->established, .server = reef_tls_is_server(tls)};
	if (tls->ssl == NULL)
		return;
	const char *name = info->server ? SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name) : tls->target.name;
	snprintf(info->name, sizeof info->name, "%s", name ? name : "");
	snprintf(info->version, sizeof info->version, "%s", SSL_get_version(tls->ssl));
	snprintf(info->cipher, sizeof info->cipher, "%s", SSL_get_cipher_name(tls->ssl));
	info->resumed = SSL_session_reused(tls->ssl);
	SSL_get0_alpn_selected(tls->ssl, &alpn, &alpn_size);
	snprintf(info->alpn, sizeof info->alpn, "%.*s", (int)alpn_size, alpn ? (const char *)alpn : "");
	X509 *peer = SSL_get0_peer_certificate(tls->ssl);
	if (peer)
		fill_peer(peer, info);
}
