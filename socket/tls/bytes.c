/* See bytes.h. */
#include "bytes.h"

#include <errno.h>
#include <pthread.h>
#include <string.h>
#include <sys/socket.h>

#include "core/alloc.h"
#include "tls.h"
#include "tls_private.h"

#define RECEIVE (64 * 1024)
#define SEAL (REEF_TLS_BATCH + 8 * 1024)

/* Of connections, and of those within others: both are at work at the same time. */
static _Thread_local char receive_buffer[2][RECEIVE];
static _Thread_local char seal_buffer[2][SEAL];

/* ---- what OpenSSL reads and writes ---- */

static int bio_read(BIO *bio, char *to, size_t n, size_t *got) {
	struct reef_tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (tls->feed_size == 0) {
		BIO_set_retry_read(bio);
		return 0;
	}
	if (n > tls->feed_size)
		n = tls->feed_size;
	memcpy(to, tls->feed, n);
	tls->feed += n;
	tls->feed_size -= n;
	*got = n;
	return 1;
}

/* Room for n more bytes of output; false: no memory. */
static bool out_reserve(struct reef_tls *tls, size_t n) {
	if (tls->out.data == NULL) {
		tls->out.data = seal_buffer[tls->lower != NULL];
		tls->out.capacity = SEAL;
	}
	if (tls->out.capacity - tls->out.end >= n)
		return true;
	size_t capacity = tls->out.end + n + REEF_TLS_RECORD;
	char *data = reef_try_realloc(tls->out.own ? tls->out.data : NULL, capacity);
	if (data == NULL)
		return false;
	if (!tls->out.own)
		memcpy(data, tls->out.data, tls->out.end);
	tls->out.data = data;
	tls->out.capacity = capacity;
	tls->out.own = true;
	return true;
}

bool reef_tls_bytes_append(struct reef_tls *tls, const void *bytes, size_t n) {
	if (!out_reserve(tls, n))
		return false;
	memcpy(tls->out.data + tls->out.end, bytes, n);
	tls->out.end += n;
	return true;
}

static int bio_write(BIO *bio, const char *from, size_t n, size_t *put) {
	struct reef_tls *tls = BIO_get_data(bio);
	BIO_clear_retry_flags(bio);
	if (!reef_tls_bytes_append(tls, from, n))
		return 0;
	*put = n;
	return 1;
}

static long bio_ctrl(BIO *bio, int command, long number, void *pointer) {
	(void)bio, (void)number, (void)pointer;
	return command == BIO_CTRL_FLUSH;
}

static BIO_METHOD *bio_method;
static pthread_once_t once = PTHREAD_ONCE_INIT;

static void make_bio_method(void) {
	bio_method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, "reef socket");
	BIO_meth_set_read_ex(bio_method, bio_read);
	BIO_meth_set_write_ex(bio_method, bio_write);
	BIO_meth_set_ctrl(bio_method, bio_ctrl);
}

BIO *reef_tls_bytes_bio(struct reef_tls *tls) {
	pthread_once(&once, make_bio_method);
	BIO *bio = BIO_new(bio_method);
	if (bio == NULL)
		return NULL;
	BIO_set_data(bio, tls);
	BIO_set_init(bio, 1);
	return bio;
}

/* ---- input ---- */

ssize_t reef_tls_bytes_receive(struct reef_tls *tls, bool *drained) {
	reef_free(tls->kept);
	tls->kept = NULL;
	char *buffer = receive_buffer[tls->lower != NULL];
	ssize_t n;
	do {
		n = tls->lower ? reef_tls_read(tls->lower, buffer, RECEIVE, &tls->lower_wants)
					   : recv(tls->fd, buffer, RECEIVE, MSG_DONTWAIT);
	} while (n < 0 && errno == EINTR);
	tls->feed = buffer;
	tls->feed_size = n > 0 ? (size_t)n : 0;
	tls->cut = n == 0;
	*drained = n < RECEIVE;
	return n;
}

int reef_tls_bytes_lower_wants(struct reef_tls *tls) {
	int wants = tls->lower_wants;
	tls->lower_wants = 0;
	return wants;
}

void reef_tls_bytes_keep_feed(struct reef_tls *tls) {
	if (tls->feed_size == 0) {
		reef_free(tls->kept);
		tls->kept = NULL;
	} else if (tls->kept == NULL) {
		tls->kept = reef_malloc(tls->feed_size);
		memcpy(tls->kept, tls->feed, tls->feed_size);
		tls->feed = tls->kept;
	}
}

void reef_tls_bytes_preload(struct reef_tls *tls, const void *received, size_t n) {
	tls->feed = received;
	tls->feed_size = n;
	tls->heard = n > 0;
	reef_tls_bytes_keep_feed(tls);
}

/* ---- output ---- */

static ssize_t send_out(struct reef_tls *tls) {
	struct iovec iov = {.iov_base = tls->out.data + tls->out.begin, .iov_len = tls->out.end - tls->out.begin};
	return tls->lower ? reef_tls_send(tls->lower, &iov, 1)
					  : send(tls->fd, iov.iov_base, iov.iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* Has the thread's buffer, if it is used, sent or copied. */
int reef_tls_bytes_push(struct reef_tls *tls) {
	int error = 0;
	while (tls->out.begin < tls->out.end && error == 0) {
		ssize_t n = send_out(tls);
		if (n >= 0)
			tls->out.begin += (size_t)n;
		else if (errno != EINTR)
			error = errno;
	}
	if (tls->lower && error == 0)
		error = reef_tls_bytes_push(tls->lower);
	while (tls->first_mark < tls->last_mark && tls->marks[tls->first_mark].end <= tls->out.begin)
		tls->sealed_users -= tls->marks[tls->first_mark++].users;
	size_t left = tls->out.end - tls->out.begin;
	if (left == 0) {
		if (tls->out.own)
			reef_free(tls->out.data);
		memset(&tls->out, 0, sizeof tls->out);
		tls->first_mark = tls->last_mark = 0;
	} else if (!tls->out.own) {
		char *data = reef_malloc(left);
		memcpy(data, tls->out.data + tls->out.begin, left);
		for (int i = tls->first_mark; i < tls->last_mark; i++)
			tls->marks[i].end -= tls->out.begin;
		tls->out.data = data;
		tls->out.begin = 0;
		tls->out.end = tls->out.capacity = left;
		tls->out.own = true;
	}
	return error == EAGAIN ? 0 : error;
}

bool reef_tls_bytes_push_aside(struct reef_tls *tls) {
	return reef_tls_sealed(tls) > 0 && reef_tls_bytes_push(tls) == 0 && reef_tls_sealed(tls) > 0;
}
