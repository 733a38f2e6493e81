/* A connection with TLS, for the files that make it: what it knows.
 *
 * OpenSSL reads from `feed`, a view of what was received: at first the thread's buffer; what is not used up when a call
 * ends is kept in a block of its own. It writes to `out`: the thread's buffer as well, and a block of its own when the
 * kernel does not take all of it. So a connection at rest holds neither.
 */
#ifndef REEF_SOCKET_TLS_PRIVATE_H
#define REEF_SOCKET_TLS_PRIVATE_H

#include <openssl/ssl.h>

#include "context.h"
#include "text.h"

#define REEF_TLS_RECORD 16384 /* bytes of the application in one record, at most (RFC 8446, 5.1) */
#define REEF_TLS_BATCH (4 * REEF_TLS_RECORD)
#define REEF_TLS_MARKS 8 /* records of a batch */

struct reef_tls_mark {
	size_t end;   /* in `out`, behind the record */
	size_t users; /* bytes of the application in it */
};

struct reef_tls {
	struct reef_tls_target target; /* first: what OpenSSL's callbacks are given; its texts are our own */
	struct reef_tls *lower;        /* what carries this one, in the place of the descriptor; NULL: nothing. Owned */
	int lower_wants;               /* what its calls have left to be done */
	SSL *ssl;                      /* NULL: not begun, or a listener's */
	int fd;
	bool established, tell;
	bool ended;  /* the peer has said goodbye, */
	bool cut;    /* or ended without that */
	bool broken; /* `text` says how */
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
	size_t sealed_users; /* bytes of the application in records that have not left completely */
	struct reef_tls_mark marks[REEF_TLS_MARKS];
	int first_mark, last_mark;
};

#endif
