/* A connection with TLS, for the files that make it: what it knows, and how its bytes come and go.
 *
 * OpenSSL reads from `feed`, a view of what was received: at first the thread's buffer; what is not used up when a call
 * ends is kept in a block of its own. It writes to `out`: the thread's buffer as well, and a block of its own when the
 * kernel does not take all of it. So a connection at rest holds neither. All with the slot locked.
 */
#ifndef REEF_SOCKET_TLS_CONNECTION_H
#define REEF_SOCKET_TLS_CONNECTION_H

#include "socket/tls_private.h"

#define REEF_TLS_RECORD 16384 /* bytes of the application in one record, at most (RFC 8446, 5.1) */
#define REEF_TLS_BATCH (4 * REEF_TLS_RECORD)
#define REEF_TLS_MARKS 8 /* records of a batch */

struct reef_tls_mark {
	size_t end;   /* in `out`, behind the record */
	size_t users; /* bytes of the application in it */
};

struct reef_tls {
	struct reef_tls_context *context;
	char *name, *where;
	uint64_t timeout_ns;
	SSL *ssl; /* NULL: not begun, or a listener's */
	bool established, tell;
	bool ended;  /* the peer has said goodbye, */
	bool cut;    /* or ended without that */
	bool broken; /* slot->error_text says how */
	bool parted; /* we have said goodbye */
	bool silent; /* and the kernel sends no more */
	bool heard;  /* something has come */
	char text[REEF_TLS_TEXT];

	const char *feed;
	size_t feed_size;
	char *kept; /* where feed points to, when it is a block of its own */

	struct {
		char *data; /* NULL between calls unless something waits */
		size_t begin, end, capacity;
		bool own;
	} out;
	struct reef_tls_mark marks[REEF_TLS_MARKS];
	int first_mark, last_mark;
};

/* ---- tls_bytes.c ---- */

/* Where OpenSSL reads and writes. NULL: no memory. */
BIO *reef_tls_bio_new(struct reef_tls *tls);
struct reef_tls *reef_tls_of_ssl(const SSL *ssl);
/* Bytes received, 0 at the end, -1 with errno; all that was fed has been used up. `*drained`: the kernel has no more. */
ssize_t reef_tls_receive(struct reef_slot *slot, bool *drained);
/* The thread's buffer is somebody else's from now on. */
void reef_tls_keep_feed(struct reef_tls *tls);
/* Sends what is in `out`, and copies what the kernel does not take. 0 or an errno. */
int reef_tls_push(struct reef_slot *slot);
/* The same on the side, while reading or shaking hands: whatever does not go now goes when the kernel has room. What is
 * wrong with the connection shows when it is read. */
void reef_tls_push_aside(struct reef_slot *slot);

/* ---- tls.c ---- */

/* Sets `text`: the peer's name between these. */
void reef_tls_say(struct reef_tls *tls, const char *before, const char *after);
/* From `text` to the slot's error_text: the connection is of no more use. */
void reef_tls_set_error(struct reef_slot *slot);
/* Why the last call to OpenSSL failed, to `text`, unless a callback has said so already. */
void reef_tls_explain(struct reef_tls *tls);

#endif
