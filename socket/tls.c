/* A connection with TLS: its life, reading and writing, and its end. See tls_private.h.
 *
 * Records are made only when nothing encrypted waits, at most REEF_TLS_BATCH bytes of them: what waits in the socket's
 * queues stays in its order, and unencrypted, until then.
 */
#include <errno.h>
#include <linux/sockios.h>
#include <openssl/err.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "core/env.h"
#include "socket/tls_connection.h"

/* One call receives this often at most: what a peer sends without saying anything, like updates of keys, has no end. */
#define RECEIVES 16
/* Answers of TLS itself that the peer does not read. */
#define MOST_ANSWERS (1024 * 1024)

static _Thread_local char gather_buffer[REEF_TLS_RECORD];

/* ---- life ---- */

struct reef_tls *reef_tls_new(const struct reef_tls_target *target) {
	struct reef_tls *tls = reef_calloc(1, sizeof *tls);
	tls->context = target->context;
	reef_tls_context_ref(tls->context);
	tls->name = reef_strdup(target->name ? target->name : "");
	tls->where = reef_strdup(target->where ? target->where : "the peer");
	tls->timeout_ns = target->timeout_ns;
	return tls;
}

struct reef_tls *reef_tls_accept(const struct reef_tls *listener, const char *peer) {
	return reef_tls_new(
			&(struct reef_tls_target){.context = listener->context, .where = peer, .timeout_ns = listener->timeout_ns});
}

void reef_tls_delete(struct reef_tls *tls) {
	if (tls == NULL)
		return;
	SSL_free(tls->ssl);
	reef_tls_context_unref(tls->context);
	reef_free(tls->kept);
	if (tls->out.own)
		reef_free(tls->out.data);
	reef_free(tls->name);
	reef_free(tls->where);
	reef_free(tls);
}

bool reef_tls_is_server(const struct reef_tls *tls) {
	return reef_tls_context_options(tls->context)->server;
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
	if (tls->timeout_ns != 0)
		return tls->timeout_ns;
	return (uint64_t)reef_env_int("socket_handshake_timeout", 1000) * 10000000u;
}
/* ---- ends ---- */

void reef_tls_set_error(struct reef_slot *slot) {
	slot->tls->broken = true;
	reef_free(slot->error_text);
	slot->error_text = reef_strdup(slot->tls->text);
}

static ssize_t broken(struct reef_slot *slot) {
	reef_tls_set_error(slot);
	errno = EPROTO;
	return -1;
}

void reef_tls_say(struct reef_tls *tls, const char *before, const char *after) {
	snprintf(tls->text, sizeof tls->text, "tls: %s%s%s", before, tls->where, after);
}

/* Why the last call to OpenSSL failed, unless our own callback has said so already. */
void reef_tls_explain(struct reef_tls *tls) {
	if (tls->text[0] == '\0')
		reef_tls_failure_text(tls->text, tls->where, reef_tls_is_server(tls), tls->established);
	ERR_clear_error();
}

void reef_tls_too_late(struct reef_slot *slot) {
	struct reef_tls *tls = slot->tls;
	reef_tls_say(tls, "",
				 tls->heard ? " did not finish the handshake in time"
							: " did not answer the handshake in time (does it speak TLS?)");
	reef_tls_set_error(slot);
}
/* ---- data ---- */

/* Fills the buffer with what can be had now: bytes, and in *error an errno when there are none (0: the end). */
static size_t decrypt(struct reef_slot *slot, char *buffer, size_t room, int *error) {
	struct reef_tls *tls = slot->tls;
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
				reef_slot_signal(slot, EPOLLIN | EPOLLRDHUP);
				break;
			}
			ssize_t n = reef_tls_receive(slot, &drained);
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

ssize_t reef_tls_read(struct reef_slot *slot, char *buffer, size_t room) {
	struct reef_tls *tls = slot->tls;
	int error = EAGAIN;
	if (!tls->established)
		return errno = EAGAIN, -1;
	size_t got = 0;
	if (!tls->ended && !tls->broken && !tls->cut) {
		ERR_clear_error();
		got = decrypt(slot, buffer, room, &error);
		reef_tls_push_aside(slot);
		reef_tls_keep_feed(tls);
		if (slot->sealed > slot->sealed_users + MOST_ANSWERS) {
			reef_tls_say(tls, "", " does not read what it asks for");
			tls->broken = true;
		}
	}
	bool over = tls->ended || tls->broken || tls->cut;
	if (got > 0) {
		/* The kernel says nothing more of an end that we have seen already. */
		if (over || (error != EAGAIN && error != 0))
			reef_slot_signal(slot, EPOLLIN | EPOLLRDHUP);
		return (ssize_t)got;
	}
	if (tls->ended)
		return 0;
	if (tls->cut && !tls->broken)
		reef_tls_say(tls, "", " ended the connection without saying so: something may be missing");
	if (over)
		return broken(slot);
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

ssize_t reef_tls_send(struct reef_slot *slot, const struct iovec *iov, int n) {
	struct reef_tls *tls = slot->tls;
	if (!tls->established)
		return errno = EAGAIN, -1;
	if (slot->sealed > 0) {
		int error = reef_tls_push(slot);
		if (error != 0 || slot->sealed > 0)
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
			return broken(slot);
		}
		tls->marks[tls->last_mark++] = (struct reef_tls_mark){.end = tls->out.end, .users = size};
		slot->sealed_users += size;
		total += size;
	}
	int error = reef_tls_push(slot);
	if (error != 0)
		return errno = error, -1;
	return (ssize_t)total;
}
/* ---- the end ---- */

/* Bytes that nobody will read, such as a session ticket, would make close(2) reset the connection and drop what it
 * still has to deliver. True: there is nothing to fear. */
static bool safe_to_close(struct reef_slot *slot) {
	bool drained = false;
	ssize_t n = 1;
	for (int i = 0; i < 64 && !drained; i++)
		n = reef_tls_receive(slot, &drained);
	slot->tls->feed_size = 0;
	int unsent = 0;
	return n == 0 || (n < 0 && errno != EAGAIN) || ioctl(slot->fd, SIOCOUTQ, &unsent) != 0 || unsent == 0;
}

bool reef_tls_part(struct reef_slot *slot) {
	struct reef_tls *tls = slot->tls;
	if (!tls->established || tls->broken)
		return true;
	if (!tls->parted) {
		tls->parted = true;
		ERR_clear_error();
		(void)SSL_shutdown(tls->ssl);
		ERR_clear_error();
	}
	if (tls->out.end > tls->out.begin) {
		if (reef_tls_push(slot) != 0)
			return true;
		if (slot->sealed > 0) {
			atomic_store(&slot->blocked, REEF_BLOCKED);
			return reef_slot_poll_again(slot) != 0;
		}
	}
	if (!tls->silent) {
		tls->silent = true;
		shutdown(slot->fd, SHUT_WR);
	}
	if (safe_to_close(slot))
		return true;
	atomic_store(&slot->blocked, REEF_BLOCKED | REEF_SLOT_INPUT);
	return reef_slot_poll(slot) != 0;
}

/* ---- what it is ---- */

static void fill_peer(X509 *peer, struct reef_tls_info *info) {
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned size = 0;
	struct tm tm;
	info->has_peer = true;
	X509_NAME_oneline(X509_get_subject_name(peer), info->subject, sizeof info->subject);
	X509_NAME_oneline(X509_get_issuer_name(peer), info->issuer, sizeof info->issuer);
	reef_tls_names(peer, info->names, sizeof info->names);
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
	const char *name = info->server ? SSL_get_servername(tls->ssl, TLSEXT_NAMETYPE_host_name) : tls->name;
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
