/* See output.h. */
#include "output.h"
#include "core/clock.h"
#include "core/slice.h"

#include <errno.h>
#include <poll.h>
#include <stdint.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "core/alloc.h"
#include "core/log.h"
#include "core/net.h"
#include "core/scheduler.h"
#include "datagrams.h"
#include "secure.h"
#include "teardown.h"

#define VECTORS 64
/* What is gathered leaves before the end of the slice when it is this much: a slice with a lot to say should not wait
 * to say it, and the data is still in the cache. */
#define FLUSH_AT (64 * 1024)
/* A single write this large is not copied if the kernel takes it at once. */
#define DIRECT_AT (16 * 1024)
/* A block that was handed over is copied when it is smaller than this. */
#define COPY_BELOW 1024
/* One flush sends this much, then others get their turn: a peer that reads as fast as we write would keep us for ever. */
#define FLUSH_MAX (1024 * 1024)
/* write(2) to a pipe or terminal that poll says is writable takes this much without blocking (PIPE_BUF). */
#define BOUND_MAX 4096

static size_t write_limit = SIZE_MAX;

void reef_output_set_limit(size_t bytes) {
	write_limit = bytes;
}

/* ---- warnings ---- */

/* True: the peer takes so little that the connection was ended. Datagrams are refused one by one. */
static bool over_limit(struct reef_slot *slot) {
	size_t unsent = reef_slot_unsent(slot);
	if (__builtin_expect(unsent <= write_limit, 1) || slot->state == REEF_SLOT_DEAD)
		return false;
	reef_log(atomic_load(&slot->owner),
			 "error: socket: closed %u: %zu bytes wait to be sent, more than socket_write_limit allows (%zu)",
			 atomic_load(&slot->id), unsent, write_limit);
	reef_teardown_broken(slot, ENOBUFS);
	return true;
}

/* The owner is warned at the thresholds. */
static __attribute__((noinline)) void threshold_passed(struct reef_slot *slot, size_t unsent) {
	if (slot->kind != REEF_KIND_UDP && over_limit(slot))
		return;
	if (unsent >= slot->warn_at) {
		while (slot->warn_at <= unsent)
			slot->warn_at *= 2;
		slot->warn_kb = (unsent + 1023) / 1024;
		slot->warn_drained = false;
		reef_slot_tell(slot, REEF_TELL_WARNING);
	} else if (unsent == 0 && slot->warn_at > REEF_SLOT_FIRST_WARNING) {
		slot->warn_at = REEF_SLOT_FIRST_WARNING;
		slot->warn_drained = true;
		reef_slot_tell(slot, REEF_TELL_WARNING);
	}
}

/* Unsent bytes have grown or gone. */
static inline void check_warning(struct reef_slot *slot) {
	size_t unsent = reef_slot_unsent(slot);
	bool plenty = unsent >= slot->warn_at || unsent > write_limit;
	if (__builtin_expect(plenty || (unsent == 0 && slot->warn_at > REEF_SLOT_FIRST_WARNING), 0))
		threshold_passed(slot, unsent);
}

/* ---- sending ---- */

/* Bytes sent, or -1 with errno. */
static ssize_t send_vectors(struct reef_slot *slot, struct iovec *iov, int n) {
	if (slot->tls)
		return reef_tls_send(slot->tls, iov, n);
	if (slot->kind == REEF_KIND_BIND) {
		/* The descriptor belongs to the process and may block; ask first and write little. */
		struct pollfd state = {.fd = slot->fd, .events = POLLOUT};
		if (!slot->unpollable && poll(&state, 1, 0) == 0) {
			errno = EAGAIN;
			return -1;
		}
		return write(slot->fd, iov->iov_base, iov->iov_len < BOUND_MAX ? iov->iov_len : BOUND_MAX);
	}
	if (n == 1)
		return reef_net->send(slot->fd, iov->iov_base, iov->iov_len, MSG_NOSIGNAL | MSG_DONTWAIT);
	struct msghdr message = {.msg_iov = iov, .msg_iovlen = (size_t)n};
	return reef_net->sendmsg(slot->fd, &message, MSG_NOSIGNAL | MSG_DONTWAIT);
}

/* The connection does not take output any more. */
static void write_failed(struct reef_slot *slot, int error) {
	if (slot->state == REEF_SLOT_OPEN && !slot->fin && atomic_load(&slot->reading)) {
		/* What the peer sent before it went away is still to be read; reading finds the end. */
		slot->write_error = error;
		reef_wqueue_clear(&slot->out);
		reef_slot_signal(slot, EPOLLIN | EPOLLERR);
		return;
	}
	reef_teardown_broken(slot, error);
}

/* Sends what is queued and then `n` bytes of `more`; returns how many of those have gone. */
static size_t flush_with(struct reef_slot *slot, const void *more, size_t n) {
	bool announced = atomic_load(&slot->blocked) != 0;
	size_t done = 0, total = 0;
	while (slot->out.size > 0 || done < n || reef_slot_sealed(slot) > 0) {
		if (total >= FLUSH_MAX) {
			atomic_store(&slot->blocked, REEF_BLOCKED);
			int error = reef_slot_poll_again(slot);
			if (error == 0)
				return done;
			write_failed(slot, error);
			return n;
		}
		struct iovec iov[VECTORS];
		int count = reef_wqueue_gather(&slot->out, iov, VECTORS - 1);
		size_t queued = 0;
		for (int i = 0; i < count; i++)
			queued += iov[i].iov_len;
		if (done < n && queued == slot->out.size)
			iov[count++] = (struct iovec){.iov_base = (char *)(uintptr_t)more + done, .iov_len = n - done};
		ssize_t sent = send_vectors(slot, iov, count);
		if (sent >= 0) {
			size_t from_queue = (size_t)sent < queued ? (size_t)sent : queued;
			reef_wqueue_sent(&slot->out, from_queue);
			done += (size_t)sent - from_queue;
			total += slot->unpollable ? 0 : (size_t)sent;
			slot->written_bytes += (uint64_t)sent;
			slot->write_ns = reef_coarse_ns();
		} else if (errno == EAGAIN) {
			/* Say that we wait, then try once more: the poller may have seen room before it knew that we care. */
			if (announced)
				return done;
			announced = true;
			atomic_store(&slot->blocked, REEF_BLOCKED);
			int error = reef_slot_poll(slot);
			if (error != 0) {
				write_failed(slot, error);
				return n;
			}
		} else if (errno != EINTR) {
			write_failed(slot, errno);
			return n;
		}
	}
	atomic_store(&slot->blocked, 0);
	return done;
}

/* Closed by us before the handshake was done, with something to say. True: the handshake is done. */
static bool shake_hands_late(struct reef_slot *slot) {
	enum reef_tls_progress progress = reef_slot_unsent(slot) > 0 ? reef_secure_handshake(slot) : REEF_TLS_FAILED;
	if (progress == REEF_TLS_WAITS) {
		atomic_store(&slot->blocked, REEF_BLOCKED | REEF_SLOT_INPUT);
		if (reef_slot_poll(slot) == 0)
			return false;
		progress = REEF_TLS_FAILED;
	}
	if (progress == REEF_TLS_FAILED)
		reef_teardown(slot);
	return progress == REEF_TLS_DONE;
}

inline void reef_output_flush(struct reef_slot *slot) {
	if (slot->state != REEF_SLOT_OPEN && slot->state != REEF_SLOT_CLOSING)
		return;
	if (slot->state == REEF_SLOT_CLOSING && slot->tls && !reef_tls_established(slot->tls) && !shake_hands_late(slot))
		return;
	if (slot->kind == REEF_KIND_UDP)
		reef_datagrams_flush(slot);
	else if (slot->out.size > 0 || reef_slot_sealed(slot) > 0)
		flush_with(slot, NULL, 0);
	check_warning(slot);
	if (slot->state == REEF_SLOT_CLOSING && reef_slot_unsent(slot) == 0 && (!slot->tls || reef_secure_part(slot)))
		reef_teardown(slot);
}

void reef_output_deferred_flush(struct reef_deferred *deferred) {
	struct reef_slot *slot = reef_slot_of(deferred, flush);
	pthread_mutex_lock(&slot->lock);
	slot->flusher = 0;
	if (!atomic_load(&slot->blocked))
		reef_output_flush(slot);
	reef_slot_unlock(slot);
}

/* Something was queued: sees to it that it leaves. */
static void flush_later(struct reef_slot *slot) {
	if (slot->state != REEF_SLOT_OPEN) {
		over_limit(slot);
		return; /* when it is connected */
	}
	if (atomic_load(&slot->blocked)) {
		check_warning(slot);
		return;
	}
	int me = reef_scheduler_own_index() + 1;
	if (slot->out.size < FLUSH_AT && me != 0) {
		if (slot->flusher == me)
			return;
		/* Somebody else's slice may be a long one: then this one goes out at once, in order. */
		if (slot->flusher == 0) {
			slot->flusher = me;
			if (reef_slice_defer(&slot->flush))
				return;
			slot->flusher = 0;
		}
	}
	reef_output_flush(slot);
}

static bool writable(const struct reef_slot *slot) {
	return slot->state <= REEF_SLOT_OPEN && slot->kind != REEF_KIND_LISTEN && slot->write_error == 0;
}

static void too_large(const struct reef_slot *slot, size_t n) {
	reef_log(atomic_load(&slot->owner), "error: socket: no memory for %zu bytes of output on %u", n,
			 atomic_load(&slot->id));
}

bool reef_output_datagram(struct reef_slot *slot, const struct reef_address *address, const void *bytes, size_t n) {
	if (slot->datagram_bytes + n > write_limit || !reef_datagrams_send(slot, address, bytes, n))
		return false;
	if (!reef_list_is_empty(&slot->datagrams))
		reef_output_flush(slot);
	return true;
}

static __attribute__((noinline)) bool write_to_default(struct reef_slot *slot, const void *bytes, size_t n) {
	return reef_output_datagram(slot, &(struct reef_address){.size = 0}, bytes, n);
}

/* Large ones: returns how many bytes of it have gone, all of them if there is no writing any more. */
static __attribute__((noinline)) size_t write_directly(struct reef_slot *slot, const void *bytes, size_t n,
													   enum reef_priority priority) {
	size_t direct = 0;
	if (priority == REEF_NORMAL && slot->kind == REEF_KIND_STREAM && slot->state == REEF_SLOT_OPEN &&
		!atomic_load(&slot->blocked))
		direct = flush_with(slot, bytes, n);
	return writable(slot) ? direct : n;
}

inline bool reef_output_write(struct reef_slot *slot, const void *bytes, size_t n, enum reef_priority priority) {
	if (!writable(slot))
		return false;
	if (slot->kind == REEF_KIND_UDP)
		return write_to_default(slot, bytes, n);
	size_t direct = n >= DIRECT_AT ? write_directly(slot, bytes, n, priority) : 0;
	if (!reef_wqueue_push(&slot->out, (const char *)bytes + direct, n - direct, priority)) {
		/* A gap in the stream would be worse than its end. */
		too_large(slot, n);
		reef_teardown_broken(slot, ENOMEM);
		return false;
	}
	if (reef_slot_unsent(slot) > 0)
		flush_later(slot);
	return true;
}

bool reef_output_write_take(struct reef_slot *slot, void *block, size_t n, enum reef_priority priority) {
	if (n < COPY_BELOW || slot->kind == REEF_KIND_UDP || !writable(slot)) {
		bool ok = reef_output_write(slot, block, n, priority);
		reef_free(block);
		return ok;
	}
	reef_wqueue_push_take(&slot->out, block, n, priority);
	flush_later(slot);
	return true;
}

bool reef_output_write_shared(struct reef_slot *slot, struct reef_payload *payload) {
	if (slot->kind == REEF_KIND_UDP) {
		size_t n;
		const void *bytes = reef_payload_bytes(payload, &n);
		return reef_output_write(slot, bytes, n, REEF_NORMAL);
	}
	if (!writable(slot))
		return false;
	reef_wqueue_push_shared(&slot->out, payload);
	flush_later(slot);
	return true;
}
